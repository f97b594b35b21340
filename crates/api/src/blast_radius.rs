//! How far a write would reach: `status.blastRadius` of what is answered to a write or a deletion with `dryRun=All`.

use lockstep_core::blast_radius as core;
use serde::{Deserialize, Serialize};

/// What a write would change, counted against what is there now. Only in answers to `dryRun=All`, in `status`.
///
/// Counted are deliveries to which the write gives another revision, whether they could be made now or wait for a cluster that is paused or away, or
/// for a secret that was not looked at yet. What a cluster has is what its agent confirmed last. Exact are the places that bindings name; where a
/// target selects namespaces by label, those of the last report are counted, and `atLeast` says where there may be more. What happens at the
/// source later is no part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlastRadius {
    /// Clusters in which anything of the below would happen.
    pub clusters: Counted,
    /// Distinct names of namespaces, of those that bindings name, in which it would.
    pub namespaces: Counted,
    /// Targets that clusters do not have yet and would be written.
    pub create: Reached,
    /// Targets that clusters have and would be written anew, also where the same bytes come out.
    pub rewrite: Reached,
    /// Targets that clusters have and would be deleted, as `deletionPolicy: Delete` says. What a cluster loses of whole bindings waits under the
    /// delete guard where it is more than the cluster's share.
    pub delete: Reached,
    /// Targets that clusters have, that would stay as they are (`deletionPolicy: Retain`) and be kept in step no more.
    pub keep: Reached,
    /// Restarts of workloads that would follow.
    pub restarts: RestartsExpected,
}

/// How many, and the first of them by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Counted {
    /// How many.
    pub count: u64,
    /// At most 10, and only where the caller may see what is delivered there.
    pub names: Vec<String>,
}

/// Targets of one fate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reached {
    /// How many: Secrets, each in its namespace and cluster, directories, and namespaces whose pods may mount it.
    pub targets: u64,
    /// How many of them are directories.
    #[serde(default, skip_serializing_if = "is_none")]
    pub directories: u64,
    /// How many of them are namespaces, each in its cluster, whose pods may mount it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub mountable: u64,
    /// Whether there may be more, in namespaces that are selected by label: only agents know which those are.
    #[serde(default, skip_serializing_if = "is_false")]
    pub at_least: bool,
    /// Where.
    pub clusters: Counted,
}

/// Restarts that would follow, where what a cluster has may get other bytes, or somebody turns restarts on. First content restarts nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestartsExpected {
    /// Where.
    pub clusters: Counted,
    /// Deliveries with policy `Auto`: restarted is whatever uses their Secrets, which only agents find.
    pub auto: u64,
    /// Deliveries with policy `Selected`.
    pub selected: u64,
    /// Workloads that these deliveries concerned at their last change, where agents reported it. One that uses several of them counts as often.
    pub workloads_last_reported: u64,
    /// How many of these deliveries have no such report.
    pub unreported: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl From<&core::BlastRadius> for BlastRadius {
    fn from(radius: &core::BlastRadius) -> Self {
        let core::BlastRadius { clusters, namespaces, create, rewrite, delete, keep, restarts } = radius;
        Self {
            clusters: clusters.into(),
            namespaces: namespaces.into(),
            create: create.into(),
            rewrite: rewrite.into(),
            delete: delete.into(),
            keep: keep.into(),
            restarts: RestartsExpected {
                clusters: (&restarts.clusters).into(),
                auto: restarts.auto,
                selected: restarts.selected,
                workloads_last_reported: restarts.workloads,
                unreported: restarts.unreported,
            },
        }
    }
}

impl From<&core::Clusters> for Counted {
    fn from(clusters: &core::Clusters) -> Self {
        Self { count: clusters.count(), names: clusters.names().map(str::to_owned).collect() }
    }
}

impl From<&core::Names> for Counted {
    fn from(names: &core::Names) -> Self {
        Self { count: names.count(), names: names.names().map(str::to_owned).collect() }
    }
}

impl From<&core::Part> for Reached {
    fn from(part: &core::Part) -> Self {
        let core::Part { targets, directories, mountable, at_least, clusters } = part;
        Self {
            targets: *targets,
            directories: *directories,
            mountable: *mountable,
            at_least: *at_least,
            clusters: clusters.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_so_is_not_said() {
        let shown = serde_json::to_value(Reached::default()).unwrap();
        assert_eq!(shown, serde_json::json!({"targets": 0, "clusters": {"count": 0, "names": []}}));
        assert_eq!(serde_json::from_value::<Reached>(shown).unwrap(), Reached::default());
    }
}
