//! What is kept of a workload that was looked at: not the object.

use chrono::{DateTime, Utc};

use super::annotation::{RESTART, Restarted};
use super::kind::Kind;
use super::object::Object;
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
    /// Why it must not be restarted.
    pub(super) left_alone: Option<&'static str>,
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
            left_alone: left_alone(kind, object),
        })
    }
}

/// Its owner said so, or its restart would never end: with `OnDelete` somebody must delete the pods himself, and a paused
/// Deployment keeps a changed template back.
fn left_alone(kind: Kind, object: &Object) -> Option<&'static str> {
    if object.metadata.annotations.get(RESTART).is_some_and(|value| value == "false") {
        Some("it is annotated lockstep.dev/restart: \"false\"")
    } else if kind == Kind::Deployment && object.spec.paused {
        Some("it is paused; it is restarted once it is resumed")
    } else if kind != Kind::Deployment && object.spec.update_strategy.kind == "OnDelete" {
        Some("its update strategy is OnDelete; delete its pods to renew them")
    } else {
        None
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
            left_alone: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_its_owner_keeps_back_is_left_alone() {
        for (kind, annotation, spec, want) in [
            (Kind::Deployment, "true", json!({}), None),
            (Kind::Deployment, "false", json!({}), Some("annotated")),
            (Kind::Deployment, "", json!({ "paused": true }), Some("paused")),
            (Kind::StatefulSet, "", json!({ "updateStrategy": { "type": "OnDelete" } }), Some("OnDelete")),
            (Kind::DaemonSet, "", json!({ "updateStrategy": { "type": "OnDelete" } }), Some("OnDelete")),
            (Kind::DaemonSet, "", json!({ "updateStrategy": { "type": "RollingUpdate" } }), None),
        ] {
            let mut object =
                json!({ "metadata": { "creationTimestamp": "2026-01-02T03:04:05Z", "annotations": { RESTART: annotation } } });
            object["spec"] = spec.clone();
            let seen = Seen::of(kind, &serde_json::from_value(object).unwrap()).unwrap();
            assert_eq!(seen.left_alone.is_some(), want.is_some(), "{kind} {annotation} {spec}");
            assert!(seen.left_alone.unwrap_or_default().contains(want.unwrap_or_default()), "{kind} {annotation} {spec}");
        }
    }

    #[test]
    fn a_workload_that_goes_away_is_not_seen() {
        let times = json!({ "creationTimestamp": "2026-01-02T03:04:05Z", "deletionTimestamp": "2026-01-02T03:04:06Z" });
        let object = serde_json::from_value(json!({ "metadata": times })).unwrap();
        assert!(Seen::of(Kind::Deployment, &object).is_none());
    }
}
