//! The shape every manifest has.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::blast_radius::BlastRadius;

/// A manifest: what is wanted (`spec`) and what is (`status`, only in answers).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Manifest<S, T> {
    /// `lockstep.dev/v1`.
    pub api_version: String,
    /// Such as `Binding`.
    pub kind: String,
    /// Name and labels.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: S,
    /// What is. Ignored where a manifest is written.
    // No `default`: an absent `Option` is `None` anyway, and serde's derive would ask for `T: Default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<T>,
}

/// What would be, in the answer to a write that is not kept: `status` with one field more, as far as the caller may see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried<T> {
    /// As otherwise.
    #[serde(flatten)]
    pub status: Option<T>,
    /// How far the write would reach.
    pub blast_radius: BlastRadius,
}

/// Name, identity and labels of a registered thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Metadata {
    /// Unique among things of its kind.
    pub name: String,
    /// Never reused. Only in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<Uuid>,
    /// The change that last wrote it; given back in a write, the write is refused if somebody else wrote in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// When it was registered. Only in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<DateTime<Utc>>,
    /// For selectors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// For people and tools.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct List<T> {
    /// `lockstep.dev/v1`.
    pub api_version: String,
    /// Such as `BindingList`.
    pub kind: String,
    /// Where the next page begins.
    pub metadata: ListMetadata,
    /// This page.
    pub items: Vec<T>,
}

/// Where a list goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListMetadata {
    /// Given as `continue`, the next page is answered; absent on the last.
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    pub continue_from: Option<String>,
}

/// One aspect of how a thing is, with Kubernetes' words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Condition {
    /// Such as `InSync` or `Ready`.
    #[serde(rename = "type")]
    pub condition: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word for programs.
    pub reason: String,
    /// One sentence for people.
    pub message: String,
}

impl<T> List<T> {
    /// A page of things of `kind` (without `List`).
    pub fn page(kind: &str, items: Vec<T>, continue_from: Option<String>) -> Self {
        Self {
            api_version: crate::API_VERSION.to_owned(),
            kind: format!("{kind}List"),
            metadata: ListMetadata { continue_from },
            items,
        }
    }
}

impl<S, T> Manifest<S, T> {
    /// A manifest of `kind`.
    pub fn new(kind: &str, metadata: Metadata, spec: S, status: Option<T>) -> Self {
        Self { api_version: crate::API_VERSION.to_owned(), kind: kind.to_owned(), metadata, spec, status }
    }

    /// As it is answered to a write that is not kept.
    pub fn tried(self, blast_radius: BlastRadius) -> Manifest<S, Tried<T>> {
        let Self { api_version, kind, metadata, spec, status } = self;
        Manifest { api_version, kind, metadata, spec, status: Some(Tried { status, blast_radius }) }
    }
}
