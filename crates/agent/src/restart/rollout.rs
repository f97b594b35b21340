//! Whether a workload is rolled out, decided as `kubectl rollout status` decides it (kubectl's `rollout_status.go`).

use super::kind::Kind;
use super::object::{Condition, Object, Spec, Status};

/// The controller of Deployments gave up waiting.
const DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";

/// How far a rollout is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rollout {
    /// All pods are of the newest template and available.
    Done,
    /// Not yet, and what it waits for.
    Moving(String),
    /// Its controller says that it makes no progress.
    Failed(String),
}

/// Looks at a workload.
pub(super) fn rollout(kind: Kind, object: &Object) -> Rollout {
    let (spec, status) = (&object.spec, &object.status);
    // Nothing runs, so nothing runs with old content; and nobody need wait for the controller to say so.
    if kind != Kind::DaemonSet && spec.replicas == Some(0) {
        return Rollout::Done;
    }
    if status.observed_generation < object.metadata.generation {
        return Rollout::Moving("its controller has not seen the change yet".into());
    }
    match kind {
        Kind::Deployment => deployment(spec, status),
        Kind::StatefulSet => stateful_set(spec, status),
        Kind::DaemonSet => daemon_set(status),
    }
}

fn deployment(spec: &Spec, status: &Status) -> Rollout {
    let wanted = spec.replicas.unwrap_or(1);
    let mut counts = format!("{} of {wanted} pods updated, {} available", status.updated_replicas, status.available_replicas);
    // Pods that cannot even be made: a quota, an admission policy.
    if let Some(failure) = status.conditions.iter().find(|c| c.kind == "ReplicaFailure" && c.status == "True") {
        counts = format!("{counts} ({})", failure.reason);
    }
    let failed = |c: &&Condition| c.kind == "Progressing" && (c.status == "False" || c.reason == DEADLINE_EXCEEDED);
    if let Some(condition) = status.conditions.iter().find(failed) {
        return Rollout::Failed(format!("{}: {counts}", condition.reason));
    }
    if status.updated_replicas < wanted || status.available_replicas < status.updated_replicas {
        Rollout::Moving(counts)
    } else if status.replicas > status.updated_replicas {
        Rollout::Moving(format!("{} old pods have not ended", status.replicas - status.updated_replicas))
    } else {
        Rollout::Done
    }
}

fn stateful_set(spec: &Spec, status: &Status) -> Rollout {
    let wanted = spec.replicas.unwrap_or(1);
    if status.ready_replicas < wanted {
        return Rollout::Moving(format!("{} of {wanted} pods ready, {} updated", status.ready_replicas, status.updated_replicas));
    }
    // With a partition, the pods below it keep the old template by their owner's will.
    let Some(rolling) = &spec.update_strategy.rolling_update else {
        return if status.update_revision == status.current_revision {
            Rollout::Done
        } else {
            Rollout::Moving(format!("{} of {wanted} pods updated", status.updated_replicas))
        };
    };
    let to_update = wanted - rolling.partition.unwrap_or(0);
    if status.updated_replicas < to_update {
        return Rollout::Moving(format!("{} of {to_update} pods updated", status.updated_replicas));
    }
    Rollout::Done
}

fn daemon_set(status: &Status) -> Rollout {
    let wanted = status.desired_number_scheduled;
    if status.updated_number_scheduled < wanted || status.number_available < wanted {
        return Rollout::Moving(format!(
            "{} of {wanted} pods updated, {} available",
            status.updated_number_scheduled, status.number_available
        ));
    }
    Rollout::Done
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn look(kind: Kind, spec: &Value, status: &Value) -> Rollout {
        let object = json!({ "metadata": { "generation": 2 }, "spec": spec, "status": status });
        rollout(kind, &serde_json::from_value(object).unwrap())
    }

    fn word(rollout: &Rollout) -> &'static str {
        match rollout {
            Rollout::Done => "done",
            Rollout::Moving(_) => "moving",
            Rollout::Failed(_) => "failed",
        }
    }

    #[test]
    fn a_deployment_is_rolled_out_when_all_pods_are_new_and_available_and_no_old_one_is_left() {
        let progressing = |status: &str, reason: &str| json!([{ "type": "Available", "status": "False" }, { "type": "Progressing", "status": status, "reason": reason }]);
        // observedGeneration, replicas, updatedReplicas, availableReplicas
        for (spec, counts, conditions, want) in [
            (3, [2, 3, 3, 3], json!([]), "done"),
            (3, [1, 3, 3, 3], json!([]), "moving"),
            (3, [1, 3, 3, 3], progressing("False", DEADLINE_EXCEEDED), "moving"),
            (3, [2, 4, 3, 3], json!([]), "moving"),
            (3, [2, 3, 2, 2], json!([]), "moving"),
            (3, [2, 3, 3, 2], json!([]), "moving"),
            (3, [2, 3, 3, 2], progressing("True", "ReplicaSetUpdated"), "moving"),
            (3, [2, 3, 1, 0], progressing("False", DEADLINE_EXCEEDED), "failed"),
            (0, [1, 0, 0, 0], json!([]), "done"),
        ] {
            let [seen, replicas, updated, available] = counts;
            let status = json!({ "observedGeneration": seen, "replicas": replicas, "updatedReplicas": updated,
                "availableReplicas": available, "conditions": conditions });
            let rollout = look(Kind::Deployment, &json!({ "replicas": spec }), &status);
            assert_eq!(word(&rollout), want, "{spec} {counts:?} {conditions}");
        }
        let status = json!({ "observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "conditions": progressing("False", DEADLINE_EXCEEDED) });
        let Rollout::Failed(why) = look(Kind::Deployment, &json!({ "replicas": 3 }), &status) else { panic!("not failed") };
        assert_eq!(why, "ProgressDeadlineExceeded: 1 of 3 pods updated, 0 available");
    }

    #[test]
    fn a_stateful_set_is_rolled_out_when_the_pods_from_its_partition_on_are_new_and_all_are_ready() {
        let rolling = |partition: i64| json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": partition } });
        let bare = json!({ "type": "RollingUpdate" });
        // observedGeneration, readyReplicas, updatedReplicas
        for (replicas, strategy, counts, revisions, want) in [
            (3, rolling(0), [2, 3, 3], ("a", "a"), "done"),
            (3, rolling(0), [1, 3, 3], ("a", "a"), "moving"),
            (3, rolling(0), [2, 2, 3], ("a", "b"), "moving"),
            (3, rolling(0), [2, 3, 2], ("a", "b"), "moving"),
            (3, rolling(2), [2, 3, 1], ("a", "b"), "done"),
            (3, rolling(2), [2, 3, 0], ("a", "b"), "moving"),
            (3, rolling(5), [2, 3, 0], ("a", "b"), "done"),
            (3, bare.clone(), [2, 3, 3], ("a", "b"), "moving"),
            (3, bare.clone(), [2, 3, 3], ("b", "b"), "done"),
            (0, rolling(0), [1, 0, 0], ("a", "b"), "done"),
        ] {
            let [seen, ready, updated] = counts;
            let status = json!({ "observedGeneration": seen, "readyReplicas": ready, "updatedReplicas": updated,
                "currentRevision": revisions.0, "updateRevision": revisions.1 });
            let rollout = look(Kind::StatefulSet, &json!({ "replicas": replicas, "updateStrategy": strategy }), &status);
            assert_eq!(word(&rollout), want, "{replicas} {strategy} {counts:?} {revisions:?}");
        }
    }

    #[test]
    fn a_daemon_set_is_rolled_out_when_every_node_has_an_available_new_pod() {
        // observedGeneration, desiredNumberScheduled, updatedNumberScheduled, numberAvailable
        for (counts, want) in [
            ([2, 3, 3, 3], "done"),
            ([1, 3, 3, 3], "moving"),
            ([2, 3, 2, 3], "moving"),
            ([2, 3, 3, 2], "moving"),
            ([2, 0, 0, 0], "done"),
        ] {
            let [seen, desired, updated, available] = counts;
            let status = json!({ "observedGeneration": seen, "desiredNumberScheduled": desired,
                "updatedNumberScheduled": updated, "numberAvailable": available });
            assert_eq!(word(&look(Kind::DaemonSet, &json!({}), &status)), want, "{counts:?}");
        }
    }
}
