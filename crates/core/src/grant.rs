//! Grants: an administrator's leave for a project to deliver these paths to these clusters and namespaces.

use serde::{Deserialize, Serialize};

use crate::binding::{DeletionPolicy, SecretRef, Target};
use crate::glob::Glob;
use crate::id::{GrantId, ProjectId};
use crate::kv::{KvMount, KvPath};
use crate::label::Labels;
use crate::name::{Namespace, SourceName};
use crate::namespaces::AllowedNamespaces;
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

impl GrantSpec {
    /// Whether it allows this path, wherever it is delivered.
    pub fn names(&self, source: &SourceName, mount: &KvMount, path: &KvPath) -> bool {
        let of_mount = self.paths.iter().filter(|paths| paths.source == *source && paths.mount == *mount);
        of_mount.flat_map(|paths| &paths.globs).any(|glob| glob.matches(path.as_str()))
    }
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
    /// The namespace it may not be delivered to, where the target names it.
    pub namespace: Option<Namespace>,
    /// It may be delivered to no namespace at all, and the target selects them by label.
    #[serde(default)]
    pub in_any_namespace: bool,
    /// What becomes of what the cluster holds already.
    #[serde(default = "retain")]
    pub deletion_policy: DeletionPolicy,
}

/// As it was before bindings could say.
fn retain() -> DeletionPolicy {
    DeletionPolicy::Retain
}

impl std::fmt::Display for Ungranted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SecretRef { source, mount, path, .. } = &self.secret;
        write!(f, "no grant of the project allows source {source}, mount {mount}, path {path}")?;
        if let Some(namespace) = &self.namespace {
            write!(f, ", namespace {namespace}")?;
        }
        if self.in_any_namespace {
            f.write_str(", any namespace")?;
        }
        let rest = match self.deletion_policy {
            DeletionPolicy::Retain => "what it has of it stays, as deletionPolicy says",
            DeletionPolicy::Delete => "what it has of it is deleted, as deletionPolicy says",
        };
        write!(f, " in this cluster: ask an administrator for a grant, or correct the binding; {rest}")
    }
}

impl GrantSpec {
    fn allows(&self, secret: &SecretRef, labels: &Labels) -> bool {
        self.clusters.matches(labels) && self.allows_path(secret)
    }

    /// Whether it names the secret, wherever that would go; of a pair of roles each by itself.
    pub(crate) fn allows_path(&self, secret: &SecretRef) -> bool {
        let names = |path: &KvPath, p: &GrantedPaths| {
            p.source == secret.source && p.mount == secret.mount && p.globs.iter().any(|g| g.matches(path.as_str()))
        };
        secret.granted_paths().all(|path| self.paths.iter().any(|p| names(&path, p)))
    }

    pub(crate) fn allows_in(&self, namespace: &Namespace) -> bool {
        self.namespaces.iter().any(|g| g.matches(namespace.as_str()))
    }
}

/// Checks every secret of a binding in every namespace that its target names; each must be allowed as a whole by one grant. For a
/// target that selects namespaces, answers in which ones it may.
///
/// `grants` are those of the binding's project. A directory target has no namespace, so there only paths and clusters count.
pub fn check<'a>(
    secrets: impl Iterator<Item = &'a SecretRef>,
    target: &Target,
    deletion_policy: DeletionPolicy,
    labels: &Labels,
    grants: &[Grant],
) -> Result<Option<AllowedNamespaces>, Ungranted> {
    let selects = matches!(target, Target::Secret(target) if target.namespace_selector.is_some());
    let mut lists = Vec::new();
    for secret in secrets {
        let refused = Ungranted { namespace: None, in_any_namespace: false, secret: secret.clone(), deletion_policy };
        let granted: Vec<&GrantSpec> = grants.iter().map(|g| &g.spec).filter(|g| g.allows(secret, labels)).collect();
        if let Some(namespace) = target.namespaces().iter().find(|n| !granted.iter().any(|g| g.allows_in(n))) {
            return Err(Ungranted { namespace: Some(namespace.clone()), ..refused });
        }
        if granted.is_empty() && !selects {
            return Err(refused);
        }
        if selects {
            let globs: Vec<Glob> = granted.iter().flat_map(|g| g.namespaces.iter().cloned()).collect();
            if globs.is_empty() {
                return Err(Ungranted { in_any_namespace: true, ..refused });
            }
            lists.push(globs);
        }
    }
    Ok(selects.then(|| lists.into()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::binding::tests::secret_ref;
    use crate::binding::{CsiTarget, SecretTarget, ServiceAccounts};
    use crate::engine::Engine;
    use std::collections::BTreeMap;

    const RETAIN: DeletionPolicy = DeletionPolicy::Retain;

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
        let secret = secret_ref(Engine::KvV2, "payments/db");
        let in_namespace = |n: &str| Target::Secret(SecretTarget::new("db".parse().unwrap(), vec![n.parse().unwrap()]));
        let directory = Target::Directory { name: "db".parse().unwrap() };
        let mountable =
            |n: &str| Target::Csi(CsiTarget { namespaces: vec![n.parse().unwrap()], service_accounts: ServiceAccounts::Each });
        for (glob, clusters, namespace, target, want) in [
            ("payments/**", "env=prod", "payments-*", in_namespace("payments-prod"), true),
            ("payments/**", "env=prod", "payments-*", in_namespace("kube-system"), false),
            ("payments/**", "env=dev", "payments-*", in_namespace("payments-prod"), false),
            ("orders/**", "env=prod", "payments-*", in_namespace("payments-prod"), false),
            ("payments/**", "env=prod", "other", directory.clone(), true),
            ("payments/*/*", "env=prod", "**", directory, false),
            ("payments/**", "env=prod", "a-*", mountable("a-1"), true),
            ("payments/**", "env=prod", "b", mountable("a-1"), false),
        ] {
            let grants = [grant(project, glob, clusters, namespace)];
            assert_eq!(
                check([&secret].into_iter(), &target, RETAIN, &labels, &grants).is_ok(),
                want,
                "{glob} {clusters} {namespace}"
            );
        }
        // Two grants that together would cover it do not.
        let halves = [grant(project, "payments/**", "env=dev", "**"), grant(project, "orders/**", "env=prod", "**")];
        assert!(check([&secret].into_iter(), &in_namespace("a"), RETAIN, &labels, &halves).is_err());
        assert!(check([&secret].into_iter(), &in_namespace("a"), RETAIN, &labels, &[]).is_err());
    }

    #[test]
    fn a_target_that_selects_namespaces_may_have_those_that_every_secret_may() {
        let project = uuid::Uuid::from_u128(1).into();
        let labels = Labels::try_from(BTreeMap::from([("env".to_owned(), "prod".to_owned())])).unwrap();
        let secrets = ["payments/db", "orders/db"].map(|path| secret_ref(Engine::KvV2, path));
        let selecting = |namespaces: &[&str]| {
            let namespaces = namespaces.iter().map(|n| n.parse().unwrap()).collect();
            let selector = Some("team".parse().unwrap());
            Target::Secret(SecretTarget { namespace_selector: selector, ..SecretTarget::new("db".parse().unwrap(), namespaces) })
        };
        let grants = [
            grant(project, "payments/**", "env=prod", "payments-*"),
            grant(project, "payments/**", "env=prod", "shop"),
            grant(project, "payments/**", "env=dev", "dev"),
            grant(project, "orders/**", "env=prod", "shop"),
        ];
        let allowed = check(secrets.iter(), &selecting(&[]), RETAIN, &labels, &grants).unwrap().unwrap();
        for (namespace, want) in [("shop", true), ("payments-a", false), ("dev", false), ("kube-system", false)] {
            assert_eq!(allowed.allows(&namespace.parse().unwrap()), want, "{namespace}");
        }
        let one = check(secrets[..1].iter(), &selecting(&["payments-a"]), RETAIN, &labels, &grants).unwrap().unwrap();
        assert!(one.allows(&"payments-b".parse().unwrap()) && !one.allows(&"dev".parse().unwrap()));
        let named = check(secrets.iter(), &selecting(&["payments-a"]), RETAIN, &labels, &grants).unwrap_err();
        assert_eq!(named.namespace, Some("payments-a".parse().unwrap()));
        let none = check(secrets.iter(), &selecting(&[]), RETAIN, &labels, &grants[..2]).unwrap_err();
        assert!(none.to_string().contains("path orders/db, any namespace in this cluster"), "{none}");
    }
}
