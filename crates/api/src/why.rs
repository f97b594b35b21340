//! Why a secret is delivered to a cluster, or why not.

use serde::{Deserialize, Serialize};

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Why {
    /// Whether some binding may deliver it there.
    pub allowed: bool,
    /// In one sentence.
    pub summary: String,
    /// The bindings that use it, as far as the caller may see them.
    pub bindings: Vec<BindingReason>,
    /// The grants of whichever project that allow its path, and those that would allow it for a binding above.
    pub grants: Vec<GrantReason>,
}

/// What a binding has to do with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = WhyBinding))]
pub struct BindingReason {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub project: String,
    /// Whether it may deliver the secret there.
    pub allowed: bool,
    /// In words, with what to do if it may not.
    pub reason: String,
    /// The grants that allow it.
    pub grants: Vec<String>,
    /// How its delivery to the cluster stands, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Why that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// What a grant has to do with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = WhyGrant))]
pub struct GrantReason {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub project: String,
    /// Whether it allows the secret there.
    pub allows: bool,
    /// In words.
    pub reason: String,
}
