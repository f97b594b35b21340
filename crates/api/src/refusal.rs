//! What callers were refused.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Somebody was told no, once or often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Refusal {
    /// Who asked.
    pub actor: String,
    /// Method and path template, such as `PUT /v1/grants/{name}`.
    pub action: String,
    /// The path that was asked for.
    pub subject: String,
    /// The last time's problem, such as `forbidden`.
    pub code: String,
    /// In words.
    pub reason: String,
    /// How often it was tried.
    pub times: u64,
    /// When first.
    pub first_at: DateTime<Utc>,
    /// When last.
    pub last_at: DateTime<Utc>,
}
