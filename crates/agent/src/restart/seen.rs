//! What is kept of a workload that was looked at: not the object.

use chrono::{DateTime, Utc};

use super::annotation::Restarted;
use super::kind::Kind;
use super::left_alone::{KeptBack, LeftAlone};
use super::object::Object;
use super::pods::Pods;
use super::rollout::{Rollout, rollout};

/// A workload at one look.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) uid: String,
    pub(super) resource_version: String,
    /// By the API server's clock, in whole seconds.
    pub(super) created: DateTime<Utc>,
    /// The newest restart of ours.
    pub(super) restarted: Option<Restarted>,
    pub(super) rollout: Rollout,
    /// `None`: nobody asked, or nobody can tell.
    pub(super) pods: Option<Pods>,
    /// Why it must not be restarted.
    pub(super) left_alone: Option<LeftAlone>,
    /// Pods that a restart does not reach.
    pub(super) kept_back: Option<KeptBack>,
}

impl Seen {
    /// `None` for a workload that is going away.
    pub(super) fn of(kind: Kind, object: &Object) -> Option<Self> {
        let metadata = &object.metadata;
        if metadata.deletion_timestamp.is_some() {
            return None;
        }
        Some(Self {
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
            created: metadata.creation_timestamp?,
            restarted: Restarted::read(&object.spec.template.metadata.annotations),
            rollout: rollout(kind, object),
            pods: None,
            left_alone: LeftAlone::of(kind, object),
            kept_back: KeptBack::of(kind, object),
        })
    }
}

#[cfg(test)]
impl Default for Seen {
    fn default() -> Self {
        Self {
            uid: String::new(),
            resource_version: String::new(),
            created: DateTime::UNIX_EPOCH,
            restarted: None,
            rollout: Rollout::Done,
            pods: None,
            left_alone: None,
            kept_back: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_workload_that_goes_away_is_not_seen() {
        let times = json!({ "creationTimestamp": "2026-01-02T03:04:05Z", "deletionTimestamp": "2026-01-02T03:04:06Z" });
        let object = serde_json::from_value(json!({ "metadata": times })).unwrap();
        assert!(Seen::of(Kind::Deployment, &object).is_none());
    }
}
