//! One run of a rotation.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One run, under way or at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RotationRun {
    /// Its id.
    pub id: String,
    /// Where each cluster has its own: of which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The due time that it is for; of one that somebody asked for, when he did.
    pub due_at: DateTime<Utc>,
    /// Who asked for it, or `schedule`.
    pub actor: String,
    /// `Running`, `Held`, `Done` or `Failed`.
    pub state: String,
    /// The stage it is in, or ended in.
    pub stage: String,
    /// Why it is held or failed, or what does not work at present; of one that went on without somebody, without whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The version that it delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Of a certificate that it issued: from when on it is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<DateTime<Utc>>,
    /// Of a certificate that it issued: when it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<DateTime<Utc>>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// For how long clusters could have had a password that was void: from just before the source changed it to the last confirmation,
    /// in seconds. Of `databaseStatic` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_seconds: Option<String>,
    /// The stages it came through.
    pub stages: Vec<PassedStage>,
}

/// A stage that a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PassedStage {
    /// Its word.
    pub stage: String,
    /// When.
    pub at: DateTime<Utc>,
}
