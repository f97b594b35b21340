//! What replicas log.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What is logged beside, or instead of, what each replica was started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogFilter {
    /// What the replica that answers was started with: it counts where nothing else is asked for.
    pub configured: String,
    /// What is asked for instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// Asks all replicas to log something else for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SetLogFilter {
    /// Such as `info,lockstep_server::watch=debug`, as in `LOCKSTEP_LOG`.
    pub filter: String,
    /// For how long; an hour if it is not said. It ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}
