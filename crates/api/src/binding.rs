//! Bindings: which secrets go to which clusters, as what.

use std::collections::BTreeMap;

use lockstep_core::binding::{
    BindingSpec as Checked, DeletionPolicy, Delivered, ITEMS_MAX, Item as CheckedItem, KEYS_MAX, RestartPolicy, SecretRef,
    Target as CheckedTarget,
};
use lockstep_core::name::ProjectName;
use lockstep_core::render::is_content_key;
use lockstep_core::version::VersionNumber;
use serde::{Deserialize, Serialize};

use crate::field::{FieldError, Mistakes};
use crate::manifest::{Condition, Manifest};
use crate::selector::Selector;

/// A binding's manifest.
pub type Binding = Manifest<BindingSpec, BindingStatus>;

/// Which secrets go to which clusters, as what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BindingSpec {
    /// Whose it is. Cannot be changed.
    pub project: String,
    /// Which clusters.
    #[serde(default)]
    pub clusters: Selector,
    /// Which secrets; their keys are merged.
    pub items: Vec<Item>,
    /// As what.
    pub target: Target,
    /// When the binding no longer places it: `Retain` (default) or `Delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<String>,
    /// When a secret is gone in Vault: `Retain` (default) or `Delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_deletion_policy: Option<String>,
    /// What restarts when the content changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
}

/// One secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Item {
    /// A source's name.
    pub source: String,
    /// The KV v2 engine's mount.
    pub mount: String,
    /// The path below it.
    pub path: String,
    /// From the secret's keys to the target's. Empty: all keys under their own names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, String>,
    /// Pinned to this version, instead of following the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// As what; exactly one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Target {
    /// A Kubernetes Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretTarget>,
    /// A directory below the agent's root, a file for each key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryTarget>,
}

/// A Kubernetes Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecretTarget {
    /// Its name.
    pub name: String,
    /// Where.
    pub namespaces: Vec<String>,
    /// `Opaque` if absent.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub secret_type: Option<String>,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DirectoryTarget {
    /// Its name below the agent's root.
    pub name: String,
}

/// What restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Restart {
    /// `None` (default), `Auto` or `Selected`.
    pub policy: String,
}

/// How a binding is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BindingStatus {
    /// How many clusters it selects.
    pub clusters: u64,
    /// How many deliveries have which status.
    pub deliveries: BTreeMap<String, u64>,
    /// `InSync`.
    pub conditions: Vec<Condition>,
}

/// A binding as written, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedBinding {
    /// Whose it is.
    pub project: ProjectName,
    /// What was written.
    pub spec: Checked,
}

impl TryFrom<&BindingSpec> for CheckedBinding {
    type Error = Vec<FieldError>;
    fn try_from(wire: &BindingSpec) -> Result<Self, Vec<FieldError>> {
        let mut mistakes = Mistakes::default();
        let project = mistakes.parse("spec.project", &wire.project);
        let clusters = wire.clusters.check("spec.clusters", &mut mistakes);
        mistakes.count("spec.items", wire.items.len(), ITEMS_MAX);
        let items: Vec<_> =
            wire.items.iter().enumerate().map(|(i, item)| check_item(item, &format!("spec.items[{i}]"), &mut mistakes)).collect();
        let target = check_target(&wire.target, &mut mistakes);
        let deletion_policy = check_policy(wire.deletion_policy.as_deref(), "spec.deletionPolicy", &mut mistakes);
        let source_deletion_policy =
            check_policy(wire.source_deletion_policy.as_deref(), "spec.sourceDeletionPolicy", &mut mistakes);
        let restart = check_restart(wire.restart.as_ref(), &mut mistakes);
        let checked = || {
            let delivered = Delivered {
                items: items.into_iter().collect::<Option<_>>()?,
                target: target?,
                source_deletion_policy: source_deletion_policy?,
                restart: restart?,
            };
            Some(Self { project: project?, spec: Checked { clusters: clusters?, delivered, deletion_policy: deletion_policy? } })
        };
        mistakes.finish(checked())
    }
}

fn check_item(wire: &Item, field: &str, mistakes: &mut Mistakes) -> Option<CheckedItem> {
    let source = mistakes.parse(format!("{field}.source"), &wire.source);
    let mount = mistakes.parse(format!("{field}.mount"), &wire.mount);
    let path = mistakes.parse(format!("{field}.path"), &wire.path);
    if wire.keys.len() > KEYS_MAX {
        mistakes.count(&format!("{field}.keys"), wire.keys.len(), KEYS_MAX);
    }
    for (from, to) in wire.keys.iter().filter(|(_, to)| !is_content_key(to)) {
        mistakes.add(
            format!("{field}.keys.{from}"),
            format!("{to:?} can be neither a file nor a Secret key: use letters, digits, '-', '_' and '.'"),
        );
    }
    if wire.version == Some(0) {
        mistakes.add(format!("{field}.version"), "versions begin at 1");
    }
    let secret = SecretRef { source: source?, mount: mount?, path: path? };
    Some(CheckedItem { secret, keys: wire.keys.clone(), pin: wire.version.and_then(VersionNumber::new) })
}

fn check_target(wire: &Target, mistakes: &mut Mistakes) -> Option<CheckedTarget> {
    match (&wire.secret, &wire.directory) {
        (None, Some(directory)) => {
            mistakes.parse("spec.target.directory.name", &directory.name).map(|name| CheckedTarget::Directory { name })
        }
        (Some(secret), None) => {
            let subdomain = secret.name.len() <= 253 && secret.name.split('.').all(lockstep_core::name::is_dns_label);
            if !subdomain {
                mistakes.add("spec.target.secret.name", format!("{:?} is not a DNS subdomain name", secret.name));
            }
            mistakes.count("spec.target.secret.namespaces", secret.namespaces.len(), ITEMS_MAX);
            let namespaces = secret.namespaces.iter().enumerate();
            let namespaces: Vec<_> =
                namespaces.map(|(i, n)| mistakes.parse(format!("spec.target.secret.namespaces[{i}]"), n)).collect();
            Some(CheckedTarget::Secret {
                name: secret.name.clone(),
                namespaces: namespaces.into_iter().collect::<Option<_>>()?,
                secret_type: secret.secret_type.clone().unwrap_or_else(|| "Opaque".to_owned()),
            })
        }
        _ => {
            mistakes.add("spec.target", "exactly one of secret and directory is needed");
            None
        }
    }
}

fn check_policy(word: Option<&str>, field: &str, mistakes: &mut Mistakes) -> Option<DeletionPolicy> {
    match word {
        None | Some("Retain") => Some(DeletionPolicy::Retain),
        Some("Delete") => Some(DeletionPolicy::Delete),
        Some(other) => {
            mistakes.add(field, format!("{other:?} is not a policy: Retain or Delete"));
            None
        }
    }
}

fn check_restart(wire: Option<&Restart>, mistakes: &mut Mistakes) -> Option<RestartPolicy> {
    match wire.map(|r| r.policy.as_str()) {
        None | Some("None") => Some(RestartPolicy::None),
        Some("Auto") => Some(RestartPolicy::Auto),
        Some("Selected") => Some(RestartPolicy::Selected),
        Some(other) => {
            mistakes.add("spec.restart.policy", format!("{other:?} is not a policy: None, Auto or Selected"));
            None
        }
    }
}

impl From<&CheckedBinding> for BindingSpec {
    fn from(checked: &CheckedBinding) -> Self {
        let delivered = &checked.spec.delivered;
        let items = delivered.items.iter().map(|item| Item {
            source: item.secret.source.to_string(),
            mount: item.secret.mount.to_string(),
            path: item.secret.path.to_string(),
            keys: item.keys.clone(),
            version: item.pin.map(VersionNumber::get),
        });
        Self {
            project: checked.project.to_string(),
            clusters: (&checked.spec.clusters).into(),
            items: items.collect(),
            target: (&delivered.target).into(),
            deletion_policy: Some(format!("{:?}", checked.spec.deletion_policy)),
            source_deletion_policy: Some(format!("{:?}", delivered.source_deletion_policy)),
            restart: Some(Restart { policy: format!("{:?}", delivered.restart) }),
        }
    }
}

impl From<&CheckedTarget> for Target {
    fn from(checked: &CheckedTarget) -> Self {
        match checked {
            CheckedTarget::Directory { name } => {
                Self { secret: None, directory: Some(DirectoryTarget { name: name.to_string() }) }
            }
            CheckedTarget::Secret { name, namespaces, secret_type } => Self {
                secret: Some(SecretTarget {
                    name: name.clone(),
                    namespaces: namespaces.iter().map(ToString::to_string).collect(),
                    secret_type: Some(secret_type.clone()),
                }),
                directory: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_mistake_is_reported_with_its_field() {
        let wire: BindingSpec = serde_json::from_value(json!({
            "project": "Payments",
            "clusters": {"matchLabels": {"a b": "x"}, "matchExpressions": [{"key": "a", "operator": "Is"}]},
            "items": [{"source": "corp", "mount": "kv", "path": "a/../b", "keys": {"x": "../y"}, "version": 0}],
            "target": {"directory": {"name": "a/b"}, },
            "deletionPolicy": "Keep",
            "restart": {"policy": "Always"},
        }))
        .unwrap();
        let fields: Vec<String> = CheckedBinding::try_from(&wire).unwrap_err().into_iter().map(|e| e.field).collect();
        assert_eq!(
            fields,
            [
                "spec.project",
                "spec.clusters.matchLabels.a b",
                "spec.clusters.matchExpressions[0].operator",
                "spec.items[0].path",
                "spec.items[0].keys.x",
                "spec.items[0].version",
                "spec.target.directory.name",
                "spec.deletionPolicy",
                "spec.restart.policy",
            ]
        );
    }

    #[test]
    fn what_was_written_reads_back_with_its_defaults_shown() {
        let wire: BindingSpec = serde_json::from_value(json!({
            "project": "payments",
            "clusters": {"matchLabels": {"env": "prod"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]},
            "items": [{"source": "corp", "mount": "kv", "path": "a/b", "keys": {"x": "Y"}}],
            "target": {"secret": {"name": "s", "namespaces": ["n"]}},
        }))
        .unwrap();
        let checked = CheckedBinding::try_from(&wire).unwrap();
        let back = BindingSpec::from(&checked);
        assert_eq!((back.clusters.clone(), back.items.clone()), (wire.clusters, wire.items));
        assert_eq!(back.deletion_policy.as_deref(), Some("Retain"));
        assert_eq!(CheckedBinding::try_from(&back).unwrap(), checked);
    }
}
