//! Rotations: a schedule that makes new versions of a secret at its source.

mod by;
mod confirm;
mod kind;
mod recipe;
mod run;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::duration;
use lockstep_core::name::ProjectName;
use lockstep_core::rotation::{RotationSpec as CheckedSpec, Timing};
use lockstep_core::schedule::MissedRuns;
use serde::{Deserialize, Serialize};

use crate::field::{FieldError, Mistakes};
use crate::manifest::{Condition, Manifest};

pub use confirm::Confirm;
pub use kind::{DatabasePair, DatabaseStatic, Generate, KvSecret, Pki};
pub use recipe::{KeyPairRecipe, RandomRecipe, Recipe};
pub use run::{PassedStage, RotationRun};

/// The longest jitter.
const JITTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A rotation's manifest.
pub type Rotation = Manifest<RotationSpec, RotationStatus>;

/// What is rotated, when, and who is waited for. Exactly one of `generate`, `databaseStatic`, `databasePair` and `pki`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RotationSpec {
    /// Whose it is.
    pub project: String,
    /// When, in CronJob's words: five fields, with a field of seconds before them if wanted, or `@daily` and the like. A `pki` rotation without one is
    /// due by its certificate's age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The time zone of the schedule, such as `Europe/Berlin`; UTC if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// How late a run may begin, in seconds. If absent, however late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting_deadline_seconds: Option<u64>,
    /// What becomes of due times that passed without a run: `Once` (default), one run for all of them; `Skip`, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_runs: Option<String>,
    /// Runs begin at most so much after they are due, such as `5m`: not all rotations at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<String>,
    /// Whether no run begins by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// New values of some keys of a KV v2 secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate: Option<Generate>,
    /// A new password of a database's static role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_static: Option<DatabaseStatic>,
    /// New passwords of two static roles in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_pair: Option<DatabasePair>,
    /// A new certificate, kept in a KV v2 secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pki: Option<Pki>,
    /// Who is waited for, and how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Confirm>,
}

/// How a rotation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RotationStatus {
    /// The next due time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_at: Option<DateTime<Utc>>,
    /// Why a run that is due does not begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// The run under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<RotationRun>,
    /// The newest run that came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<RotationRun>,
    /// When what clusters have now was made at the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_made_at: Option<DateTime<Utc>>,
    /// Where each cluster has its own: how each is. The rest of the status is of the worst of them, and the earliest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<RotationCluster>,
    /// `OnTime`.
    pub conditions: Vec<Condition>,
}

/// How a rotation is for one cluster, where each has its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RotationCluster {
    /// The cluster's name.
    pub cluster: String,
    /// The reason of its `OnTime`, such as `Done` or `Held`.
    pub state: String,
    /// The next due time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_at: Option<DateTime<Utc>>,
    /// Why a run that is due does not begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

/// A rotation as written, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRotation {
    /// Whose it is.
    pub project: ProjectName,
    /// What and when.
    pub spec: CheckedSpec,
}

impl TryFrom<&RotationSpec> for CheckedRotation {
    type Error = Vec<FieldError>;
    fn try_from(wire: &RotationSpec) -> Result<Self, Vec<FieldError>> {
        let mut mistakes = Mistakes::default();
        let project = mistakes.parse("spec.project", &wire.project);
        let by = by::check(wire, &mut mistakes);
        let missed = match &wire.missed_runs {
            None => Some(MissedRuns::default()),
            Some(word) => match word.as_str() {
                "Once" => Some(MissedRuns::Once),
                "Skip" => Some(MissedRuns::Skip),
                _ => {
                    mistakes.add("spec.missedRuns", format!("{word:?} is none of Once, Skip"));
                    None
                }
            },
        };
        let jitter = checked_duration("spec.jitter", wire.jitter.as_deref(), &mut mistakes).map(Option::unwrap_or_default);
        if jitter.is_some_and(|jitter| jitter > JITTER_MAX) {
            mistakes.add("spec.jitter", "more than the 24h allowed");
        }
        let kind = kind::check(wire, &mut mistakes);
        let confirm = confirm::check(wire.confirm.as_ref(), &mut mistakes);
        if let (Some(kind), Some(confirm)) = (&kind, &confirm) {
            confirm::check_course(kind, confirm, &mut mistakes);
        }
        let checked = || {
            let timing = Timing {
                by: by?,
                starting_deadline: wire.starting_deadline_seconds.map(Duration::from_secs),
                missed: missed?,
                jitter: jitter?,
            };
            Some(Self { project: project?, spec: CheckedSpec { kind: kind?, timing, suspend: wire.suspend, confirm: confirm? } })
        };
        mistakes.finish(checked())
    }
}

/// A duration that may be absent; the outer `None` is a mistake that was noted.
#[expect(clippy::option_option, reason = "a mistake is told from an absence")]
fn checked_duration(field: &str, text: Option<&str>, mistakes: &mut Mistakes) -> Option<Option<Duration>> {
    match text {
        None => Some(None),
        Some(text) => mistakes.take(field, duration::parse(text)).map(Some),
    }
}

impl From<&CheckedRotation> for RotationSpec {
    fn from(checked: &CheckedRotation) -> Self {
        let CheckedSpec { kind, timing, suspend, confirm } = &checked.spec;
        let mut wire = Self {
            project: checked.project.to_string(),
            schedule: None,
            time_zone: None,
            starting_deadline_seconds: timing.starting_deadline.map(|deadline| deadline.as_secs()),
            missed_runs: (timing.missed == MissedRuns::Skip).then(|| "Skip".to_owned()),
            jitter: (!timing.jitter.is_zero()).then(|| duration::print(timing.jitter)),
            suspend: *suspend,
            generate: None,
            database_static: None,
            database_pair: None,
            pki: None,
            confirm: Some(confirm.into()),
        };
        kind::show(kind, &mut wire);
        by::show(&timing.by, &mut wire);
        wire
    }
}
