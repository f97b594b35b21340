//! Grants: an administrator's leave for a project to deliver these paths to these clusters and namespaces.

use serde::{Deserialize, Serialize};

use crate::binding::{SecretRef, Target};
use crate::glob::Glob;
use crate::id::{GrantId, ProjectId};
use crate::kv::KvMount;
use crate::label::Labels;
use crate::name::{Namespace, SourceName};
use crate::selector::Selector;

/// The most path rules, globs a rule, and namespace globs one grant may have.
pub const RULES_MAX: usize = 64;

/// What a grant allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantSpec {
    /// What.
    pub paths: Vec<GrantedPaths>,
    /// Where: clusters.
    pub clusters: Selector,
    /// Where: namespaces, for targets that have one.
    pub namespaces: Vec<Glob>,
}

/// Paths of one mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedPaths {
    /// The source's name.
    pub source: SourceName,
    /// The mount, exactly.
    pub mount: KvMount,
    /// The paths below it.
    pub globs: Vec<Glob>,
}

/// A grant as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Who.
    pub project: ProjectId,
    /// What and where.
    pub spec: GrantSpec,
}

/// What no grant allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ungranted {
    /// The secret that may not be delivered.
    pub secret: SecretRef,
    /// The namespace it may not be delivered to, where the target has one.
    pub namespace: Option<Namespace>,
}

impl std::fmt::Display for Ungranted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SecretRef { source, mount, path } = &self.secret;
        write!(f, "no grant of the project allows source {source}, mount {mount}, path {path}")?;
        if let Some(namespace) = &self.namespace {
            write!(f, ", namespace {namespace}")?;
        }
        f.write_str(" in this cluster: ask an administrator for a grant, or correct the binding")
    }
}

impl GrantSpec {
    fn allows(&self, secret: &SecretRef, labels: &Labels, namespace: Option<&Namespace>) -> bool {
        let path = |p: &GrantedPaths| {
            p.source == secret.source && p.mount == secret.mount && p.globs.iter().any(|g| g.matches(secret.path.as_str()))
        };
        self.clusters.matches(labels)
            && namespace.is_none_or(|n| self.namespaces.iter().any(|g| g.matches(n.as_str())))
            && self.paths.iter().any(path)
    }
}

/// Checks every secret of a binding in every namespace of its target; each must be allowed as a whole by one grant.
///
/// `grants` are those of the binding's project. A directory target has no namespace, so there only paths and clusters count.
pub fn check<'a>(
    secrets: impl Iterator<Item = &'a SecretRef>,
    target: &Target,
    labels: &Labels,
    grants: &[Grant],
) -> Result<(), Ungranted> {
    let namespaces: Vec<Option<&Namespace>> = match target {
        Target::Secret(secret) => secret.namespaces.iter().map(Some).collect(),
        Target::Directory { .. } => vec![None],
    };
    for secret in secrets {
        for namespace in &namespaces {
            if !grants.iter().any(|g| g.spec.allows(secret, labels, *namespace)) {
                return Err(Ungranted { secret: secret.clone(), namespace: namespace.cloned() });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::binding::tests::item;
    use std::collections::BTreeMap;

    pub(crate) fn grant(project: ProjectId, glob: &str, clusters: &str, namespace: &str) -> Grant {
        Grant {
            id: uuid::Uuid::from_u128(9).into(),
            project,
            spec: GrantSpec {
                paths: vec![GrantedPaths {
                    source: "corp".parse().unwrap(),
                    mount: "kv".parse().unwrap(),
                    globs: vec![glob.parse().unwrap()],
                }],
                clusters: clusters.parse().unwrap(),
                namespaces: vec![namespace.parse().unwrap()],
            },
        }
    }

    #[test]
    fn one_grant_must_allow_path_cluster_and_namespace_together() {
        let project = uuid::Uuid::from_u128(1).into();
        let labels = Labels::try_from(BTreeMap::from([("env".to_owned(), "prod".to_owned())])).unwrap();
        let secret = item("payments/db", &[]).secret;
        let in_namespace =
            |n: &str| Target::Secret { name: "db".into(), namespaces: vec![n.parse().unwrap()], secret_type: "Opaque".into() };
        let directory = Target::Directory { name: "db".parse().unwrap() };
        for (glob, clusters, namespace, target, want) in [
            ("payments/**", "env=prod", "payments-*", in_namespace("payments-prod"), true),
            ("payments/**", "env=prod", "payments-*", in_namespace("kube-system"), false),
            ("payments/**", "env=dev", "payments-*", in_namespace("payments-prod"), false),
            ("orders/**", "env=prod", "payments-*", in_namespace("payments-prod"), false),
            ("payments/**", "env=prod", "other", directory.clone(), true),
            ("payments/*/*", "env=prod", "**", directory, false),
        ] {
            let grants = [grant(project, glob, clusters, namespace)];
            assert_eq!(check([&secret].into_iter(), &target, &labels, &grants).is_ok(), want, "{glob} {clusters} {namespace}");
        }
        // Two grants that together would cover it do not.
        let halves = [grant(project, "payments/**", "env=dev", "**"), grant(project, "orders/**", "env=prod", "**")];
        assert!(check([&secret].into_iter(), &in_namespace("a"), &labels, &halves).is_err());
        assert!(check([&secret].into_iter(), &in_namespace("a"), &labels, &[]).is_err());
    }
}
