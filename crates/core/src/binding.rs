//! Bindings: which secrets go to which clusters, as what.

mod csi;
mod drawn;
mod restart;
mod secret_type;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::engine::{self, Engine};
use crate::id::{BindingId, ProjectId};
use crate::kv::{KvMount, KvPath};
use crate::name::SourceName;
use crate::revision::Seq;
use crate::selector::Selector;
use crate::version::VersionNumber;

pub use csi::{CsiSource, CsiTarget, EACH_SERVICE_ACCOUNT, SERVICE_ACCOUNTS_MAX, ServiceAccounts};
pub use drawn::{Drawn, SecretPattern};
pub use restart::{Restart, UnknownWorkloadKind, WORKLOADS_MAX, WorkloadKind, WorkloadRef};
pub use secret_type::{SecretType, UnknownSecretType};
pub use target::{IMMUTABLE_NAME_MAX_BYTES, NAMESPACES_MAX, SecretTarget, Target, refused_on_a_secret};

/// The most items one binding may have.
pub const ITEMS_MAX: usize = 64;
/// The most key mappings one item may have.
pub const KEYS_MAX: usize = 256;
/// Stands for all keys of an item, in [`Item::base64`].
pub const ALL_KEYS: &str = "*";
/// The most templates one binding may have.
pub const TEMPLATES_MAX: usize = 32;
/// The longest text of a template, in bytes.
pub const TEMPLATE_MAX_BYTES: usize = 64 << 10;

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
    pub restart: Restart,
    /// Whether the target is written or only compared with.
    #[serde(default)]
    pub mode: Mode,
    /// Keys of the target that are made from the items' keys: from the key to its template's text.
    #[serde(default)]
    pub templates: BTreeMap<String, String>,
    /// Whether the target gets the templates' keys only, instead of the items' as well.
    #[serde(default)]
    pub templates_only: bool,
}

impl Delivered {
    /// These items as this target, with everything else as it is when nothing is said about it.
    pub fn new(items: Vec<Item>, target: Target) -> Self {
        Self {
            items,
            target,
            source_deletion_policy: DeletionPolicy::default(),
            restart: Restart::default(),
            mode: Mode::default(),
            templates: BTreeMap::new(),
            templates_only: false,
        }
    }

    /// Whether clusters draw from other secrets than other clusters do.
    pub fn is_by_cluster(&self) -> bool {
        self.items.iter().any(|item| item.secret.everywhere().is_none())
    }

    /// The keys of the target that the binding itself names. `None` among them: an item delivers all keys of its secret, so there are
    /// others that only its content tells.
    pub fn named_keys(&self) -> impl Iterator<Item = Option<&str>> {
        let items = self.items.iter().filter(|_| !self.templates_only);
        let of_items = items.flat_map(|item| {
            let all = item.keys.is_empty().then_some(None);
            all.into_iter().chain(item.keys.values().map(|key| Some(key.as_str())))
        });
        of_items.chain(self.templates.keys().map(|key| Some(key.as_str())))
    }
}

/// What is done with the content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// The target is written and kept as it should be.
    #[default]
    Deliver,
    /// The target is compared with what it should be, and nothing is written. For Kubernetes Secrets only.
    Observe,
}

/// One secret of a binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Which secret, or which in each cluster.
    pub secret: Drawn,
    /// From the secret's keys to the target's; empty: all keys under their own names.
    pub keys: BTreeMap<String, String>,
    /// Pinned to this version of the present incarnation, instead of following the newest.
    pub pin: Option<VersionNumber>,
    /// Which of the secret's keys, by their names there, are base64 text that is delivered as the bytes it stands for; with
    /// [`ALL_KEYS`] all that are delivered.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub base64: BTreeSet<String>,
}

impl Item {
    /// Whether the secret's key is delivered as the bytes that its base64 text stands for.
    pub(crate) fn is_base64(&self, key: &str) -> bool {
        self.base64.contains(key) || self.base64.contains(ALL_KEYS)
    }
}

/// A secret by name: source, engine, mount, path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretRef {
    /// The source's name.
    pub source: SourceName,
    /// What it is drawn from there.
    #[serde(default, skip_serializing_if = "Engine::is_default")]
    pub engine: Engine,
    /// The engine's mount.
    pub mount: KvMount,
    /// The path below it: of a static role its name, of a pair of them both names.
    pub path: KvPath,
}

impl SecretRef {
    /// The paths that a grant must allow, each by itself: one, or that of each role of a pair.
    pub fn granted_paths(&self) -> impl Iterator<Item = KvPath> {
        let paths = match self.engine {
            Engine::KvV2 | Engine::KvV1 | Engine::StaticRole => None,
            Engine::RolePair => engine::members(&self.path),
        };
        let (one, other) = paths.map_or_else(|| (self.path.clone(), None), |(first, second)| (first, Some(second)));
        std::iter::once(one).chain(other)
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

    pub(crate) fn secret_ref(engine: Engine, path: &str) -> SecretRef {
        SecretRef { source: "corp".parse().unwrap(), engine, mount: "kv".parse().unwrap(), path: path.parse().unwrap() }
    }

    pub(crate) fn drawn(path: &str) -> Drawn {
        let everywhere = || secret_ref(Engine::KvV2, path).into();
        path.parse().map_or_else(
            |_| everywhere(),
            |pattern| {
                let SecretRef { source, engine, mount, .. } = secret_ref(Engine::KvV2, "x");
                Drawn::ByCluster(SecretPattern { source, engine, mount, path: pattern })
            },
        )
    }

    /// An item of secret `path`, for tests of other modules too.
    pub(crate) fn item(path: &str, keys: &[(&str, &str)]) -> Item {
        Item {
            secret: drawn(path),
            keys: keys.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            pin: None,
            base64: BTreeSet::new(),
        }
    }

    pub(crate) fn spec(items: Vec<Item>, clusters: &str) -> BindingSpec {
        BindingSpec {
            clusters: clusters.parse().unwrap(),
            delivered: Delivered::new(items, Target::Directory { name: "out".parse().unwrap() }),
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
        let binary = Item { base64: BTreeSet::from(["x".to_owned()]), ..item("b", &[]) };
        assert!(binding.respecify(spec(vec![binary], "env=dev"), Seq::new(5)));
        assert_eq!(binding.spec_seq, Seq::new(5), "other bytes are delivered");
    }

    #[test]
    fn what_an_older_version_stored_reads_with_todays_defaults() {
        let stored = |restart: &str| {
            serde_json::json!({
                "items": [],
                "target": {"Secret": {"name": "db", "namespaces": ["a"], "secret_type": "Opaque"}},
                "source_deletion_policy": "Retain",
                "restart": restart,
            })
        };
        let read = |restart| serde_json::from_value::<Delivered>(stored(restart)).unwrap();
        let target = SecretTarget::new("db".parse().unwrap(), vec!["a".parse().unwrap()]);
        assert_eq!(read("None"), Delivered::new(Vec::new(), Target::Secret(target)));
        assert_eq!(read("Auto").restart, Restart::Auto);
        let plain = item("a", &[("x", "X")]);
        let stored_item = serde_json::json!({"secret": plain.secret, "keys": {"x": "X"}, "pin": null});
        assert_eq!(serde_json::to_value(&plain).unwrap(), stored_item, "what is not said is not stored");
        assert_eq!(serde_json::from_value::<Item>(stored_item).unwrap(), plain);
        let pair = secret_ref(Engine::RolePair, "a,b");
        let stored_pair = serde_json::json!({"source": "corp", "engine": "RolePair", "mount": "kv", "path": "a,b"});
        assert_eq!(serde_json::to_value(&pair).unwrap(), stored_pair);
        assert_eq!(serde_json::from_value::<SecretRef>(stored_pair).unwrap(), pair);
        assert_eq!(read("Selected").restart, Restart::Selected { workloads: Vec::new(), selector: None });
    }

    #[test]
    fn the_keys_that_a_binding_names_are_those_of_items_and_templates() {
        let mut delivered = spec(vec![item("a", &[("x", "X")]), item("b", &[])], "").delivered;
        delivered.templates = BTreeMap::from([("T".to_owned(), String::new())]);
        let named = |delivered: &Delivered| delivered.named_keys().map(|k| k.map(str::to_owned)).collect::<Vec<_>>();
        assert_eq!(named(&delivered), [Some("X".to_owned()), None, Some("T".to_owned())]);
        delivered.templates_only = true;
        assert_eq!(named(&delivered), [Some("T".to_owned())]);
    }
}
