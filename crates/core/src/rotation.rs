//! Rotations: a schedule that makes a new version of a secret at its source, delivers it, and retires the one before when everybody has it.
//!
//! A run is a chain of stages. Before it does anything outside of the registry, the stage it is in says what and what there was before, so that
//! whoever goes on with it after a crash sees whether it was done. [`step::next`] is the whole rule.

pub mod confirm;
pub mod consumer;
pub mod key;
pub mod life;
mod per_cluster;
pub mod stage;
pub mod step;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::binding::{SecretPattern, SecretRef};
use crate::kv::{KvMount, KvPath};
use crate::name::{ClusterName, SourceName};
use crate::recipe::Recipe;
use crate::schedule::{MissedRuns, Schedule};

use confirm::Confirm;
use life::Share;
use step::Course;

/// How long both credentials of a pair work after the last cluster has confirmed, where nothing is said about it.
pub const DEFAULT_OVERLAP: Duration = Duration::from_secs(10 * 60);
/// A pair's roles must be left alone by the source for at least so many times the schedule's interval.
pub const PAIR_PERIODS_MIN: i32 = 10;
/// The most keys that one rotation makes values of.
pub const KEYS_MAX: usize = 32;

/// A rotation as its project wrote it, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationSpec {
    /// What is rotated, and how.
    pub kind: Kind,
    /// When.
    pub timing: Timing,
    /// Whether no run begins by itself.
    pub suspend: bool,
    /// Who is waited for.
    pub confirm: Confirm,
}

/// When runs are due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// What makes them due.
    #[serde(flatten)]
    pub by: By,
    /// How late a run may begin.
    pub starting_deadline: Option<Duration>,
    /// What becomes of due times that passed without a run.
    pub missed: MissedRuns,
    /// Up to how long after its due time a run begins.
    pub jitter: Duration,
}

/// What makes a run due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The clock. Stored as ever.
    Schedule(Schedule),
    /// The age of the certificate that was issued last.
    Life(Share),
}

/// The kinds of rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// New values of some keys of a KV v2 secret.
    Generate {
        /// Which secret.
        secret: SecretRef,
        /// The keys, and how their values are made. The others are kept.
        keys: BTreeMap<String, Recipe>,
    },
    /// A new password of a database's static role.
    DatabaseStatic {
        /// Which role.
        secret: SecretRef,
    },
    /// New passwords of two static roles in turn.
    DatabasePair {
        /// Which roles.
        secret: SecretRef,
        /// How long both work after the last cluster has confirmed.
        min_overlap: Duration,
        /// Whether a login with the new password is tried before any cluster gets it.
        verify: bool,
    },
    /// A new certificate, kept in a KV v2 secret as `tls.crt`, `tls.key` and `ca.crt`.
    Pki {
        /// Which secret.
        secret: SecretRef,
        /// What is asked of the PKI engine.
        certificate: CertificateRequest,
    },
    /// The same for each cluster of its own. Nothing is made of it: each cluster's rotation is a [`Self::Pki`] of its own, see [`Self::of`].
    PkiPerCluster {
        /// Which secrets.
        secrets: SecretPattern,
        /// What is asked of the PKI engine, with `{cluster}` for the cluster's name.
        certificate: CertificateRequest,
    },
}

/// What is asked of a PKI engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRequest {
    /// Where the engine is mounted, in the same source.
    pub mount: KvMount,
    /// The engine's role.
    pub role: KvPath,
    /// The certificate's common name.
    pub common_name: String,
    /// Further DNS names.
    pub alt_names: Vec<String>,
    /// Such as a SPIFFE ID.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uris: Vec<String>,
    /// How long it is to live; none: as the role says.
    pub ttl: Option<Duration>,
}

impl Kind {
    /// The secret that bindings draw what is rotated from; none where each cluster has its own.
    pub const fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::Generate { secret, .. }
            | Self::DatabaseStatic { secret }
            | Self::DatabasePair { secret, .. }
            | Self::Pki { secret, .. } => Some(secret),
            Self::PkiPerCluster { .. } => None,
        }
    }

    /// Where it is.
    pub const fn source(&self) -> &SourceName {
        match self {
            Self::Generate { secret, .. }
            | Self::DatabaseStatic { secret }
            | Self::DatabasePair { secret, .. }
            | Self::Pki { secret, .. } => &secret.source,
            Self::PkiPerCluster { secrets, .. } => &secrets.source,
        }
    }

    /// What is rotated for this cluster: of what all clusters share, the same.
    #[must_use]
    pub fn of(&self, cluster: &ClusterName) -> Self {
        match self {
            Self::PkiPerCluster { secrets, certificate } => {
                Self::Pki { secret: secrets.resolve(cluster), certificate: certificate.of(cluster) }
            }
            shared => shared.clone(),
        }
    }

    /// The way that its runs take.
    pub fn course(&self) -> Course {
        match self {
            Self::Generate { .. } | Self::Pki { .. } | Self::PkiPerCluster { .. } => Course::Replace,
            Self::DatabaseStatic { .. } => Course::InPlace,
            Self::DatabasePair { min_overlap, .. } => {
                Course::InTurn { min_overlap: TimeDelta::from_std(*min_overlap).unwrap_or(TimeDelta::MAX) }
            }
        }
    }

    /// The word in a manifest.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Generate { .. } => "generate",
            Self::DatabaseStatic { .. } => "databaseStatic",
            Self::DatabasePair { .. } => "databasePair",
            Self::Pki { .. } | Self::PkiPerCluster { .. } => "pki",
        }
    }
}

#[cfg(test)]
mod tests;
