//! Who is calling, and the API tokens by which callers are known.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::access::{Access, Scope};

/// The caller as the server knows it; `lockstep login` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Caller {
    /// Such as `token:bootstrap`, or `oidc:gitlab:` with the user.
    pub actor: String,
    /// What it may do; nothing, if empty.
    #[serde(default)]
    pub access: Vec<Access>,
}

/// A wish for an API token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenRequest {
    /// What its changes are recorded under, as `token:NAME`. No live token has it yet.
    pub name: String,
    /// `viewer`, `operator`, `admin` or `auditor`.
    pub role: String,
    /// Where it counts.
    pub scope: Scope,
    /// How long it lives: 60 to 31,536,000 (a year); 7,776,000 (90 days) if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A token that was just minted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MintedToken {
    /// Its name.
    pub name: String,
    /// Itself. Shown this once; the registry keeps its hash.
    pub token: String,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token as listed: nothing of it can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub access: Vec<Access>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was minted.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself; the first one never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was used last, to within a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<DateTime<Utc>>,
}
