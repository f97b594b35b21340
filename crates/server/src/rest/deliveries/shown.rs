//! A delivery as it is shown.

use lockstep_api::delivery::{Delivery, ItemVersion, Observed, RestartStatus};
use lockstep_core::delivery::RestartProgress;
use lockstep_core::revision::Revision;
use lockstep_store::delivery::{self, Listed};

pub(crate) fn shown(listed: Listed) -> Delivery {
    Delivery {
        cluster: listed.cluster,
        binding: listed.binding,
        project: listed.project,
        status: listed.status.to_string(),
        cause: listed.cause,
        desired_revision: listed.desired.to_string(),
        applied_revision: listed.applied.map(|r| r.to_string()),
        applied_at: listed.applied_at,
        targets_applied: listed.targets.0,
        targets_total: listed.targets.1,
        versions: listed.versions.into_iter().map(version).collect(),
        observed: listed.observed.map(|(would_change, total)| Observed { would_change, total }),
        restart: listed.restart.map(|(revision, progress)| restart(revision, progress)),
        drifted_total: listed.drifted.0,
        last_drift_at: listed.drifted.1,
    }
}

fn version(version: delivery::ItemVersion) -> ItemVersion {
    let delivery::ItemVersion { source, mount, path, applied, desired } = version;
    ItemVersion { source, mount, path, applied, desired }
}

pub(crate) fn restart(revision: Revision, progress: RestartProgress) -> RestartStatus {
    RestartStatus {
        text: text(&progress),
        revision: revision.to_string(),
        restarted: progress.restarted,
        total: progress.total,
        healthy: progress.healthy,
        stuck: progress.stuck,
        skipped: progress.skipped,
    }
}

/// What matters most first: what needs a person, then what is under way.
fn text(progress: &RestartProgress) -> String {
    let RestartProgress { total, healthy, stuck, skipped, .. } = progress;
    match (stuck.as_slice(), skipped.as_slice()) {
        ([first, more @ ..], _) => format!("stuck: {first}{}", and_more(more)),
        _ if healthy < total => format!("restarting {healthy}/{total}"),
        (_, [first, more @ ..]) if *total > 0 => format!("healthy; left alone: {first}{}", and_more(more)),
        _ if *total > 0 => "healthy".to_owned(),
        (_, [first, more @ ..]) => format!("left alone: {first}{}", and_more(more)),
        _ => "nothing to restart".to_owned(),
    }
}

fn and_more(more: &[String]) -> String {
    if more.is_empty() { String::new() } else { format!("; and {} more", more.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_most_is_said() {
        let texts = |n| (1..=n).map(|i| format!("Deployment shop/web{i}: why")).collect::<Vec<_>>();
        for (total, healthy, stuck, skipped, want) in [
            (3, 0, 0, 0, "restarting 0/3"),
            (3, 2, 0, 1, "restarting 2/3"),
            (3, 3, 0, 0, "healthy"),
            (3, 3, 0, 1, "healthy; left alone: Deployment shop/web1: why"),
            (3, 3, 0, 2, "healthy; left alone: Deployment shop/web1: why; and 1 more"),
            (3, 2, 1, 1, "stuck: Deployment shop/web1: why"),
            (3, 0, 3, 0, "stuck: Deployment shop/web1: why; and 2 more"),
            (0, 0, 0, 1, "left alone: Deployment shop/web1: why"),
            (0, 0, 0, 0, "nothing to restart"),
        ] {
            let progress = RestartProgress { restarted: total, total, healthy, stuck: texts(stuck), skipped: texts(skipped) };
            assert_eq!(text(&progress), want);
        }
    }
}
