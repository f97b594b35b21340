//! The planner: who is placed, and for those who are not, why. Pure; the store writes what it answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::binding::{Binding, DeletionPolicy};
use crate::cluster::{ClusterFacts, ClusterState};
use crate::grant::{Grant, Ungranted, check};
use crate::id::ClusterId;
use crate::namespaces::AllowedNamespaces;

/// The planner's answer for one binding in one cluster that it selects, or once selected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placement {
    /// It is to hold the content.
    Placed,
    /// It is to hold the content in those of the namespaces that its target selects which grants allow. Only for targets that select
    /// namespaces: so a grant's namespaces move no other placement.
    PlacedWithin(AllowedNamespaces),
    /// It is selected, but may not hold it. What it holds already goes the way of the binding's deletion policy if no grant allows it any
    /// more, and is kept if the cluster is revoked.
    Denied(Denial),
    /// A tombstone: it is no longer selected. Stays until the agent acked its removal.
    Removed(DeletionPolicy),
}

/// Why a selected cluster is not placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Denial {
    /// No grant of the project allows one of the secrets there.
    Ungranted(Ungranted),
    /// The cluster is revoked.
    Revoked,
}

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ungranted(ungranted) => ungranted.fmt(f),
            Self::Revoked => f.write_str("the cluster is revoked"),
        }
    }
}

/// The answer for one cluster; `None` where the binding does not select it. `grants` are those of the binding's project.
pub fn place(binding: &Binding, cluster: &ClusterFacts, grants: &[Grant]) -> Option<Placement> {
    if cluster.state == ClusterState::Removing || !binding.spec.clusters.matches(&cluster.labels) {
        return None;
    }
    if cluster.state == ClusterState::Revoked {
        return Some(Placement::Denied(Denial::Revoked));
    }
    let delivered = &binding.spec.delivered;
    let secrets: Vec<_> = delivered.items.iter().map(|i| i.secret.resolve(&cluster.name)).collect();
    Some(
        match check(secrets.iter().map(AsRef::as_ref), &delivered.target, binding.spec.deletion_policy, &cluster.labels, grants) {
            Ok(None) => Placement::Placed,
            Ok(Some(allowed)) => Placement::PlacedWithin(allowed),
            Err(ungranted) => Placement::Denied(Denial::Ungranted(ungranted)),
        },
    )
}

/// The answers that differ from those on record. `binding` is `None` once it is deleted, with the policy it had.
pub fn replan<'a>(
    recorded: &BTreeMap<ClusterId, Placement>,
    binding: Result<&Binding, DeletionPolicy>,
    clusters: impl Iterator<Item = &'a ClusterFacts>,
    grants: &[Grant],
) -> BTreeMap<ClusterId, Placement> {
    let wanted: BTreeMap<ClusterId, Placement> = match binding {
        Ok(binding) => clusters.filter_map(|c| Some((c.id, place(binding, c, grants)?))).collect(),
        Err(_) => BTreeMap::new(),
    };
    let policy = binding.map_or_else(|policy| policy, |b| b.spec.deletion_policy);
    let removed = recorded
        .iter()
        .filter(|(cluster, answer)| !wanted.contains_key(cluster) && !matches!(answer, Placement::Removed(_)))
        .map(|(cluster, _)| (*cluster, Placement::Removed(policy)));
    let mut changed: BTreeMap<ClusterId, Placement> = removed.collect();
    changed.extend(wanted.into_iter().filter(|(cluster, answer)| recorded.get(cluster) != Some(answer)));
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::tests::{item, spec};
    use crate::grant::tests::grant;
    use crate::label::Labels;
    use crate::revision::Seq;
    use uuid::Uuid;

    fn cluster(id: u128, env: &str, state: ClusterState) -> ClusterFacts {
        let labels = Labels::try_from(BTreeMap::from([("env".to_owned(), env.to_owned())])).unwrap();
        ClusterFacts { id: Uuid::from_u128(id).into(), name: format!("cluster-{id}").parse().unwrap(), labels, state }
    }

    fn binding() -> Binding {
        Binding {
            id: Uuid::from_u128(7).into(),
            project: Uuid::from_u128(8).into(),
            spec: spec(vec![item("payments/db", &[])], "env=prod"),
            spec_seq: Seq::new(1),
        }
    }

    #[test]
    fn a_delivery_exists_only_where_binding_and_grant_meet() {
        let binding = binding();
        let grants = [grant(binding.project, "payments/**", "env=prod", "**")];
        for (case, cluster, grants, want) in [
            ("selected and granted", cluster(1, "prod", ClusterState::Active), &grants[..], Some("placed")),
            ("never joined", cluster(1, "prod", ClusterState::Pending), &grants[..], Some("placed")),
            ("paused: keeps its place", cluster(1, "prod", ClusterState::Paused), &grants[..], Some("placed")),
            ("not selected", cluster(1, "dev", ClusterState::Active), &grants[..], None),
            ("selected, no grant", cluster(1, "prod", ClusterState::Active), &[][..], Some("denied")),
            ("revoked", cluster(1, "prod", ClusterState::Revoked), &grants[..], Some("denied")),
            ("removing", cluster(1, "prod", ClusterState::Removing), &grants[..], None),
        ] {
            let answer = place(&binding, &cluster, grants).map(|p| match p {
                Placement::Placed | Placement::PlacedWithin(_) => "placed",
                Placement::Denied(_) => "denied",
                Placement::Removed(_) => "removed",
            });
            assert_eq!(answer, want, "{case}");
        }
    }

    #[test]
    fn only_changed_answers_are_written_and_a_removed_placement_leaves_a_tombstone() {
        let binding = binding();
        let grants = [grant(binding.project, "payments/**", "env=prod", "**")];
        let clusters = [cluster(1, "prod", ClusterState::Active), cluster(2, "prod", ClusterState::Active)];
        let mut recorded = replan(&BTreeMap::new(), Ok(&binding), clusters.iter(), &grants);
        assert_eq!(recorded.len(), 2);
        assert!(replan(&recorded, Ok(&binding), clusters.iter(), &grants).is_empty());
        let moved = [cluster(1, "dev", ClusterState::Active), clusters[1].clone()];
        let changed = replan(&recorded, Ok(&binding), moved.iter(), &grants);
        assert_eq!(changed, BTreeMap::from([(moved[0].id, Placement::Removed(DeletionPolicy::Retain))]));
        recorded.extend(changed);
        assert!(replan(&recorded, Ok(&binding), moved.iter(), &grants).is_empty());
        let back = replan(&recorded, Ok(&binding), clusters.iter(), &grants);
        assert_eq!(back, BTreeMap::from([(clusters[0].id, Placement::Placed)]));
        let deleted = replan(&recorded, Err(DeletionPolicy::Delete), clusters.iter(), &grants);
        assert_eq!(deleted, BTreeMap::from([(clusters[1].id, Placement::Removed(DeletionPolicy::Delete))]));
    }

    #[test]
    fn what_differs_by_cluster_is_granted_cluster_by_cluster_and_a_denial_names_the_path_there() {
        let binding = Binding { spec: spec(vec![item("payments/{cluster}/db", &[])], "env=prod"), ..binding() };
        let clusters = [1, 2].map(|id| cluster(id, "prod", ClusterState::Active));
        let answers = |glob: &str| {
            let grants = [grant(binding.project, glob, "env=prod", "**")];
            clusters.each_ref().map(|cluster| match place(&binding, cluster, &grants).unwrap() {
                Placement::Denied(denial) => denial.to_string(),
                placed => format!("{placed:?}"),
            })
        };
        assert_eq!(answers("payments/*/db"), ["Placed", "Placed"]);
        let [first, second] = answers("payments/cluster-1/*");
        assert_eq!(first, "Placed");
        assert!(second.contains("path payments/cluster-2/db"), "{second}");
        assert!(answers("payments/*").iter().all(|answer| answer.contains("/db")), "a star stops at the slash");
    }
}
