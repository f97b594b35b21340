//! Why a secret is delivered to a cluster, or why not: for people. The planner decides; this says in words what it decides by.

use std::fmt;

use crate::binding::{Binding, SecretRef, Target};
use crate::cluster::{ClusterFacts, ClusterState};
use crate::grant::{Grant, GrantSpec};
use crate::id::GrantId;
use crate::name::Namespace;

/// What one binding that uses the secret has to do with the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// These grants allow it there.
    Allowed(Vec<GrantId>),
    /// The cluster is in no state to get anything.
    State(ClusterState),
    /// The binding does not select the cluster.
    NotSelected,
    /// The binding delivers to other namespaces.
    OtherNamespaces(Vec<Namespace>),
    /// The binding delivers to no Secret, so not to a namespace.
    NoNamespace,
    /// No grant of its project allows it.
    Ungranted,
}

/// Which of a grant's conditions a secret in a cluster meets. All three make an allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Source, mount and path.
    pub path: bool,
    /// The cluster's labels.
    pub cluster: bool,
    /// The namespace, if one is asked for.
    pub namespace: bool,
}

impl Fit {
    /// How far a grant goes for this secret in this cluster.
    pub fn of(grant: &GrantSpec, secret: &SecretRef, cluster: &ClusterFacts, namespace: Option<&Namespace>) -> Self {
        Self {
            path: grant.allows_path(secret),
            cluster: grant.clusters.matches(&cluster.labels),
            namespace: namespace.is_none_or(|namespace| grant.allows_in(namespace)),
        }
    }

    /// Whether it is allowed.
    pub const fn is_whole(self) -> bool {
        self.path && self.cluster && self.namespace
    }
}

/// In words, what a grant does for the secret.
impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lacks: Vec<&str> = [(self.path, "path"), (self.cluster, "cluster"), (self.namespace, "namespace")]
            .into_iter()
            .filter(|(fits, _)| !fits)
            .map(|(_, what)| what)
            .collect();
        match lacks.as_slice() {
            [] => f.write_str("allows it"),
            ["path", ..] => f.write_str("does not allow this path"),
            lacks => write!(f, "allows the path, but not this {}", lacks.join(" and ")),
        }
    }
}

/// What a binding that uses the secret has to do with the cluster, and with the namespace if one is asked for. `grants` are those of the
/// binding's project.
pub fn why(
    binding: &Binding,
    secret: &SecretRef,
    cluster: &ClusterFacts,
    namespace: Option<&Namespace>,
    grants: &[Grant],
) -> Reason {
    match cluster.state {
        state @ (ClusterState::Removing | ClusterState::Revoked) => return Reason::State(state),
        ClusterState::Pending | ClusterState::Active | ClusterState::Paused => {}
    }
    if !binding.spec.clusters.matches(&cluster.labels) {
        return Reason::NotSelected;
    }
    match (&binding.spec.delivered.target, namespace) {
        (Target::Secret(target), Some(namespace))
            if target.namespace_selector.is_none() && !target.namespaces.contains(namespace) =>
        {
            return Reason::OtherNamespaces(target.namespaces.clone());
        }
        (Target::Csi(target), Some(namespace)) if !target.namespaces.contains(namespace) => {
            return Reason::OtherNamespaces(target.namespaces.clone());
        }
        (Target::Directory { .. }, Some(_)) => return Reason::NoNamespace,
        _ => {}
    }
    let allow = |grant: &&Grant| Fit::of(&grant.spec, secret, cluster, namespace).is_whole();
    let allowing: Vec<GrantId> = grants.iter().filter(allow).map(|grant| grant.id).collect();
    if allowing.is_empty() { Reason::Ungranted } else { Reason::Allowed(allowing) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::SecretTarget;
    use crate::binding::tests::{item, secret_ref, spec};
    use crate::engine::Engine;
    use crate::grant::tests::grant;
    use crate::label::Labels;
    use crate::revision::Seq;
    use std::collections::BTreeMap;
    use uuid::Uuid;

    fn cluster(env: &str, state: ClusterState) -> ClusterFacts {
        let labels = Labels::try_from(BTreeMap::from([("env".to_owned(), env.to_owned())])).unwrap();
        ClusterFacts { id: Uuid::from_u128(1).into(), name: "eu-1".parse().unwrap(), labels, state }
    }

    #[test]
    fn the_first_thing_that_is_missing_is_named() {
        use ClusterState::{Active, Revoked};
        let project = Uuid::from_u128(8).into();
        let mut spec = spec(vec![item("payments/db", &[])], "env=prod");
        let target: Vec<Namespace> = vec!["payments-prod".parse().unwrap()];
        spec.delivered.target = Target::Secret(SecretTarget::new("db".parse().unwrap(), target.clone()));
        let binding = Binding { id: Uuid::from_u128(7).into(), project, spec, spec_seq: Seq::new(1) };
        let grants = [grant(project, "payments/**", "env=prod", target[0].as_str())];
        let allowed = || Reason::Allowed(vec![grants[0].id]);
        let other: Namespace = "kube-system".parse().unwrap();
        for (cluster, namespace, grants, want) in [
            (cluster("prod", Active), None, &grants[..], allowed()),
            (cluster("prod", Active), Some(&target[0]), &grants[..], allowed()),
            (cluster("prod", Active), Some(&other), &grants[..], Reason::OtherNamespaces(target.clone())),
            (cluster("prod", Active), None, &[], Reason::Ungranted),
            (cluster("dev", Active), None, &[], Reason::NotSelected),
            (cluster("dev", Revoked), None, &grants[..], Reason::State(Revoked)),
        ] {
            assert_eq!(why(&binding, &secret_ref(Engine::KvV2, "payments/db"), &cluster, namespace, grants), want);
        }
    }

    #[test]
    fn a_grant_says_which_of_its_conditions_is_not_met() {
        let secret = secret_ref(Engine::KvV2, "payments/db");
        let (prod, namespace) = (cluster("prod", ClusterState::Active), "payments-prod".parse().unwrap());
        for (glob, clusters, namespaces, want) in [
            ("payments/**", "env=prod", "payments-*", "allows it"),
            ("orders/**", "env=dev", "orders", "does not allow this path"),
            ("payments/**", "env=dev", "payments-*", "allows the path, but not this cluster"),
            ("payments/**", "env=prod", "orders", "allows the path, but not this namespace"),
            ("payments/**", "env=dev", "orders", "allows the path, but not this cluster and namespace"),
        ] {
            let grant = grant(Uuid::from_u128(8).into(), glob, clusters, namespaces);
            assert_eq!(Fit::of(&grant.spec, &secret, &prod, Some(&namespace)).to_string(), want);
        }
    }
}
