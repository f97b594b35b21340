//! Bindings: which secrets go to which clusters, as what.

mod base64;
mod item;
mod pin;
mod restart;
mod sync;
mod target;
mod templates;

use std::collections::BTreeMap;

use lockstep_core::binding::{BindingSpec as Checked, DeletionPolicy, Delivered, ITEMS_MAX, Item as CheckedItem, KEYS_MAX, Mode};
use lockstep_core::name::ProjectName;
use lockstep_core::render::is_content_key;
use lockstep_core::version::VersionNumber;
use serde::{Deserialize, Serialize};

use crate::field::{FieldError, Mistakes};
use crate::manifest::{Condition, Manifest};
use crate::selector::Selector;

pub use pin::{Pinned, Rollback, Unpin};
pub use restart::{Restart, Workload};
pub use sync::Sync;
pub use target::{CsiTarget, DirectoryTarget, SecretTarget, Target};

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
    /// `Deliver` (default), or `Observe`: only compare with what is in the cluster, and say how many keys would change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Keys of the target that are made from the items' keys: from the key to a Jinja template, such as
    /// `{{ username }}:{{ password | b64encode }}`. A key is a variable, and every key is in `keys["tls.crt"]`; what is not there is an
    /// error. There are `if`, `for`, `set`, `with`, `filter`, and filters from text to text (a mistake lists them), but no lists, maps,
    /// functions, includes, and no way to other secrets or files. `urlencode` leaves `/`: for a password in a URL,
    /// `| urlencode | replace("/", "%2F")`. A template's text is stored and shown: what is secret belongs into Vault.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<String, String>,
    /// Deliver the templates' keys only, and not the items' as well.
    #[serde(default, skip_serializing_if = "is_false")]
    pub templates_only: bool,
    /// When the binding no longer places it: `Retain` (default) or `Delete`; with `csi` always `Delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<String>,
    /// When a secret is gone in Vault: `Retain` (default) or `Delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_deletion_policy: Option<String>,
    /// What restarts when the content changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
}

/// One secret: exactly one of `path`, `staticRole` and `rolePair` says which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Item {
    /// A source's name.
    pub source: String,
    /// The engine's mount.
    pub mount: String,
    /// The path below it, of a KV engine. `{cluster}` in it stands for the name of the cluster, so that each draws its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// With a path: `KvV2` (default) or `KvV1`, which has no versions: the server reads it to see whether it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// A static role of a database engine: its `username` and `password` are delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub static_role: Option<String>,
    /// Two static roles of a database engine, of which one is delivered: the first, until a rotation moves to the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub role_pair: Vec<String>,
    /// From the secret's keys to the target's. Empty: all keys under their own names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, String>,
    /// Pinned to this version, instead of following the newest. Of KV version 2 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Keys of the secret that hold a binary file as base64 text, as `base64 FILE` prints it: they are delivered as the bytes that it
    /// stands for. By their names in the secret; `*`: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub base64: Vec<String>,
}

/// How a binding is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BindingStatus {
    /// How many clusters it selects.
    pub clusters: u64,
    /// How many deliveries have which status.
    pub deliveries: BTreeMap<String, u64>,
    /// What delivering would change, if it only observes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<ObservedStatus>,
    /// Items that are pinned to a version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<Pinned>,
    /// `InSync`.
    pub conditions: Vec<Condition>,
}

/// What delivering would change, over all clusters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ObservedStatus {
    /// Keys that would be another than they are.
    pub would_change: u64,
    /// Of how many.
    pub total: u64,
    /// In how many clusters they were compared.
    pub clusters: u64,
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
        let target = wire.target.check(&mut mistakes);
        let mode = check_mode(wire.mode.as_deref(), &wire.target, &mut mistakes);
        templates::check(wire, &mut mistakes);
        let deletion_policy = check_deletion_policy(wire, &mut mistakes);
        let source_deletion_policy =
            check_policy(wire.source_deletion_policy.as_deref(), "spec.sourceDeletionPolicy", &mut mistakes);
        let restart = restart::check(wire.restart.as_ref(), &wire.target, &mut mistakes);
        let checked = || {
            let delivered = Delivered {
                items: items.into_iter().collect::<Option<_>>()?,
                target: target?,
                source_deletion_policy: source_deletion_policy?,
                restart: restart?,
                mode: mode?,
                templates: wire.templates.clone(),
                templates_only: wire.templates_only,
            };
            Some(Self { project: project?, spec: Checked { clusters: clusters?, delivered, deletion_policy: deletion_policy? } })
        };
        mistakes.finish(checked())
    }
}

fn check_item(wire: &Item, field: &str, mistakes: &mut Mistakes) -> Option<CheckedItem> {
    let secret = item::check(wire, field, mistakes);
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
    base64::check(wire, field, mistakes);
    let pin = wire.version.and_then(VersionNumber::new);
    Some(CheckedItem { secret: secret?, keys: wire.keys.clone(), pin, base64: wire.base64.iter().cloned().collect() })
}

/// What pods mount is in no place that could be kept: it is given, or it is not.
fn check_deletion_policy(wire: &BindingSpec, mistakes: &mut Mistakes) -> Option<DeletionPolicy> {
    const FIELD: &str = "spec.deletionPolicy";
    match (wire.deletion_policy.as_deref(), &wire.target.csi) {
        (None, Some(_)) => Some(DeletionPolicy::Delete),
        (Some("Retain"), Some(_)) => {
            let reason =
                "Retain does not go with csi: pods would go on mounting what the binding gives them no more. Leave it out";
            mistakes.add(FIELD, reason);
            None
        }
        (word, _) => check_policy(word, FIELD, mistakes),
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

fn check_mode(word: Option<&str>, target: &Target, mistakes: &mut Mistakes) -> Option<Mode> {
    match word {
        None | Some("Deliver") => Some(Mode::Deliver),
        Some("Observe") if target.directory.is_some() || target.csi.is_some() => {
            let reason = "Observe is for Secrets: nobody but the agent writes its directories or serves volumes, so there is nothing to \
                          compare with";
            mistakes.add("spec.mode", reason);
            None
        }
        Some("Observe") => Some(Mode::Observe),
        Some(other) => {
            mistakes.add("spec.mode", format!("{other:?} is not a mode: Deliver or Observe"));
            None
        }
    }
}

/// For `skip_serializing_if`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl From<&CheckedBinding> for BindingSpec {
    fn from(checked: &CheckedBinding) -> Self {
        let delivered = &checked.spec.delivered;
        let items = delivered.items.iter().map(|item| Item {
            keys: item.keys.clone(),
            version: item.pin.map(VersionNumber::get),
            base64: item.base64.iter().cloned().collect(),
            ..Item::naming(&item.secret)
        });
        Self {
            project: checked.project.to_string(),
            clusters: (&checked.spec.clusters).into(),
            items: items.collect(),
            target: (&delivered.target).into(),
            mode: Some(format!("{:?}", delivered.mode)),
            templates: delivered.templates.clone(),
            templates_only: delivered.templates_only,
            deletion_policy: Some(format!("{:?}", checked.spec.deletion_policy)),
            source_deletion_policy: Some(format!("{:?}", delivered.source_deletion_policy)),
            restart: Some((&delivered.restart).into()),
        }
    }
}

#[cfg(test)]
mod tests;
