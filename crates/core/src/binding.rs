//! Bindings: which secrets go to which clusters, as what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{BindingId, ProjectId};
use crate::kv::{KvMount, KvPath};
use crate::name::{DirectoryName, Namespace, SourceName};
use crate::revision::Seq;
use crate::selector::Selector;
use crate::version::VersionNumber;

/// The most items one binding may have.
pub const ITEMS_MAX: usize = 64;
/// The most key mappings one item may have.
pub const KEYS_MAX: usize = 256;

/// A binding as its project wrote it, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingSpec {
    /// Which clusters.
    pub clusters: Selector,
    /// What they get, and as what.
    pub delivered: Delivered,
    /// What becomes of the target when the binding no longer places it.
    pub deletion_policy: DeletionPolicy,
}

/// The part of a binding that a target's content depends on. Only a change here gives its deliveries a new revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The secrets, merged in this order; their keys must not meet.
    pub items: Vec<Item>,
    /// As what.
    pub target: Target,
    /// What becomes of the content when a secret is gone in Vault.
    pub source_deletion_policy: DeletionPolicy,
    /// What restarts with it.
    pub restart: RestartPolicy,
}

/// One secret of a binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Which secret.
    pub secret: SecretRef,
    /// From the secret's keys to the target's; empty: all keys under their own names.
    pub keys: BTreeMap<String, String>,
    /// Pinned to this version of the present incarnation, instead of following the newest.
    pub pin: Option<VersionNumber>,
}

/// A secret by name: source, mount, path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretRef {
    /// The source's name.
    pub source: SourceName,
    /// The KV engine's mount.
    pub mount: KvMount,
    /// The path below it.
    pub path: KvPath,
}

/// As what content arrives in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// A Kubernetes Secret in each of these namespaces.
    Secret(SecretTarget),
    /// A directory below the agent's root, a file for each key.
    Directory {
        /// Its name.
        name: DirectoryName,
    },
}

/// A Kubernetes Secret (stub until the contract is merged).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretTarget {
    /// The Secret's name.
    pub name: SecretName,
    /// Where, by name.
    pub namespaces: Vec<Namespace>,
    /// Where, by the namespaces' labels.
    pub namespace_selector: Option<Selector>,
    /// Kubernetes' type.
    pub secret_type: SecretType,
    /// Labels of the Secret.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the Secret.
    pub annotations: BTreeMap<String, String>,
    /// Whether each content is an object of its own.
    pub immutable: bool,
    /// Whether other managers' keys are taken over.
    pub adopt: bool,
}

/// The name of a Secret (stub).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretName(String);

impl SecretName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for SecretName {
    type Err = crate::name::NameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split('.').try_for_each(|label| label.parse::<Namespace>().map(drop))?;
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Display for SecretName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The type of a Secret (stub).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretType(String);

impl SecretType {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for SecretType {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(if text.is_empty() { "Opaque" } else { text }.to_owned()))
    }
}

/// Namespaces that a grant allows, for a target that selects them by label (stub).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AllowedNamespaces(pub Vec<crate::glob::Glob>);

impl AllowedNamespaces {
    /// Whether it is one of them.
    pub fn allows(&self, namespace: &Namespace) -> bool {
        self.0.iter().any(|glob| glob.matches(namespace.as_str()))
    }
}

/// Keep or delete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// The last good value stays.
    #[default]
    Retain,
    /// What Lockstep made is deleted.
    Delete,
}

/// What restarts when content changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RestartPolicy {
    /// Nothing.
    #[default]
    None,
    /// Whatever refers to the target.
    Auto,
    /// What a label selects.
    Selected,
}

/// A binding as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Its id.
    pub id: BindingId,
    /// Whose it is; never changes.
    pub project: ProjectId,
    /// What was written.
    pub spec: BindingSpec,
    /// The change that last altered `spec.delivered`.
    pub spec_seq: Seq,
}

impl Binding {
    /// Takes a new spec, written by change `seq`. Returns whether anything differs.
    pub fn respecify(&mut self, spec: BindingSpec, seq: Seq) -> bool {
        if self.spec == spec {
            return false;
        }
        if self.spec.delivered != spec.delivered {
            self.spec_seq = seq;
        }
        self.spec = spec;
        true
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An item of secret `path`, for tests of other modules too.
    pub(crate) fn item(path: &str, keys: &[(&str, &str)]) -> Item {
        Item {
            secret: SecretRef { source: "corp".parse().unwrap(), mount: "kv".parse().unwrap(), path: path.parse().unwrap() },
            keys: keys.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            pin: None,
        }
    }

    pub(crate) fn spec(items: Vec<Item>, clusters: &str) -> BindingSpec {
        BindingSpec {
            clusters: clusters.parse().unwrap(),
            delivered: Delivered {
                items,
                target: Target::Directory { name: "out".parse().unwrap() },
                source_deletion_policy: DeletionPolicy::Retain,
                restart: RestartPolicy::None,
            },
            deletion_policy: DeletionPolicy::Retain,
        }
    }

    #[test]
    fn only_what_a_target_depends_on_moves_the_spec_seq() {
        let mut binding = Binding {
            id: uuid::Uuid::from_u128(1).into(),
            project: uuid::Uuid::from_u128(2).into(),
            spec: spec(vec![item("a", &[])], "env=prod"),
            spec_seq: Seq::new(1),
        };
        assert!(!binding.respecify(spec(vec![item("a", &[])], "env=prod"), Seq::new(2)));
        assert!(binding.respecify(spec(vec![item("a", &[])], "env=dev"), Seq::new(3)));
        assert_eq!(binding.spec_seq, Seq::new(1));
        assert!(binding.respecify(spec(vec![item("b", &[])], "env=dev"), Seq::new(4)));
        assert_eq!(binding.spec_seq, Seq::new(4));
    }
}
