//! What every registered thing has: name, labels, annotations, the change that last wrote it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use lockstep_core::label::Labels;
use lockstep_core::revision::Seq;
use sqlx::types::Json;
use uuid::Uuid;

/// A registered thing with its spec.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered<T> {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The change that last wrote it.
    pub seq: Seq,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// What was written.
    pub spec: T,
}

/// What a caller writes of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// Its name, already checked.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// The columns of [`Registered`], to be flattened into a row.
#[derive(sqlx::FromRow)]
pub(crate) struct MetaRow {
    id: Uuid,
    name: String,
    labels: Json<Labels>,
    annotations: Json<BTreeMap<String, String>>,
    seq: i64,
    created_at: DateTime<Utc>,
}

impl MetaRow {
    pub(crate) fn with<T>(self, spec: T) -> Registered<T> {
        Registered {
            id: self.id,
            name: self.name,
            labels: self.labels.0,
            annotations: self.annotations.0,
            seq: seq(self.seq),
            created_at: self.created_at,
            spec,
        }
    }
}

impl<T: PartialEq> Registered<T> {
    /// Whether writing this would change nothing.
    pub fn is(&self, written: &Written, spec: &T) -> bool {
        self.labels == written.labels && self.annotations == written.annotations && self.spec == *spec
    }
}

/// A seq as stored. Postgres has no unsigned numbers; ours never reach the sign.
pub(crate) fn seq(stored: i64) -> Seq {
    Seq::new(stored.cast_unsigned())
}

/// A seq to be stored.
pub(crate) fn stored(seq: Seq) -> i64 {
    seq.get().cast_signed()
}
