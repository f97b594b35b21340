//! What a workload's owner keeps from being restarted.

use std::fmt;

use super::annotation::RESTART;
use super::kind::Kind;
use super::object::Object;

/// Why a workload is not restarted. Its owner said so, or its restart would never end, or do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftAlone {
    /// It is annotated so.
    Annotated,
    /// A paused Deployment keeps a changed template back.
    Paused,
    /// Somebody must delete the pods himself.
    OnDelete,
    /// Of a StatefulSet: no pod is at or above it.
    Partition(i64),
}

/// Pods of a StatefulSet that a restart does not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeptBack {
    partition: i64,
    replicas: i64,
}

impl LeftAlone {
    /// `None`: it may be restarted.
    pub(super) fn of(kind: Kind, object: &Object) -> Option<Self> {
        if object.metadata.annotations.get(RESTART).is_some_and(|value| value == "false") {
            Some(Self::Annotated)
        } else if kind == Kind::Deployment && object.spec.paused {
            Some(Self::Paused)
        } else if kind != Kind::Deployment && object.spec.update_strategy.kind == "OnDelete" {
            Some(Self::OnDelete)
        } else {
            let KeptBack { partition, replicas } = KeptBack::of(kind, object)?;
            (partition >= replicas).then_some(Self::Partition(partition))
        }
    }
}

impl KeptBack {
    /// `None`: a restart reaches all pods there are.
    pub(super) fn of(kind: Kind, object: &Object) -> Option<Self> {
        let partition = object.spec.update_strategy.rolling_update.as_ref()?.partition?;
        let replicas = object.spec.replicas.unwrap_or(1);
        (kind == Kind::StatefulSet && partition > 0 && replicas > 0).then_some(Self { partition, replicas })
    }
}

impl fmt::Display for LeftAlone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Annotated => f.write_str("it is annotated lockstep.dev/restart: \"false\""),
            Self::Paused => f.write_str("it is paused; it is restarted once it is resumed"),
            Self::OnDelete => f.write_str("its update strategy is OnDelete; delete its pods to renew them"),
            Self::Partition(partition) => {
                write!(f, "its partition {partition} keeps all its pods; it is restarted once that is lower")
            }
        }
    }
}

impl fmt::Display for KeptBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, replicas } = self;
        write!(
            f,
            "its partition keeps {partition} of {replicas} pods from being restarted; lower it, or delete them to renew them"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_its_owner_keeps_back_is_left_alone() {
        let partition = |partition: i64| json!({ "replicas": 3, "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": partition } } });
        for (kind, annotation, spec, want, reached) in [
            (Kind::Deployment, "true", json!({}), None, true),
            (Kind::Deployment, "false", json!({}), Some(LeftAlone::Annotated), true),
            (Kind::Deployment, "", json!({ "paused": true }), Some(LeftAlone::Paused), true),
            (Kind::StatefulSet, "", json!({ "updateStrategy": { "type": "OnDelete" } }), Some(LeftAlone::OnDelete), true),
            (Kind::DaemonSet, "", json!({ "updateStrategy": { "type": "OnDelete" } }), Some(LeftAlone::OnDelete), true),
            (Kind::DaemonSet, "", json!({ "updateStrategy": { "type": "RollingUpdate" } }), None, true),
            (Kind::StatefulSet, "", partition(0), None, true),
            (Kind::StatefulSet, "", partition(2), None, false),
            (Kind::StatefulSet, "", partition(3), Some(LeftAlone::Partition(3)), false),
        ] {
            let object = json!({ "metadata": { "annotations": { RESTART: annotation } }, "spec": spec });
            let object = serde_json::from_value(object).unwrap();
            assert_eq!(LeftAlone::of(kind, &object), want, "{kind} {annotation} {spec}");
            assert_eq!(KeptBack::of(kind, &object).is_none(), reached, "{kind} {annotation} {spec}");
        }
    }
}
