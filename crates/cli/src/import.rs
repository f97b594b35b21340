//! From other tools' manifests to bindings that deliver the same.
//!
//! An object of another tool is taken apart field by field, and each field is accounted for ([`account`]): used, not needed here, or left
//! out with the reason. What is not known is left out by name, so a field that a newer version of the tool has is never passed over.

mod account;
mod csi;
mod eso;
mod go_template;
mod items;
mod made;
mod object;
mod outcome;
pub(crate) mod report;
mod templates;
mod vault_path;
mod vso;

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;
use lockstep_api::selector::Selector;

use object::Object;
pub(crate) use outcome::{Outcome, Verdict};

/// Whose manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    /// External Secrets Operator: ExternalSecret, with SecretStore and ClusterSecretStore
    Eso,
    /// Vault Secrets Operator: VaultStaticSecret, VaultDynamicSecret of static roles
    Vso,
    /// Secrets Store CSI driver with Vault's provider: SecretProviderClass, with what makes the pods that mount it
    Csi,
}

impl Tool {
    /// Whether an object of this `apiVersion` is the tool's.
    fn owns(self, api_version: &str) -> bool {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        match self {
            Self::Eso => group == "external-secrets.io" || group == "generators.external-secrets.io",
            Self::Vso => group == "secrets.hashicorp.com",
            Self::Csi => group == "secrets-store.csi.x-k8s.io",
        }
    }

    /// Whether it makes something of the object.
    fn reads(self, object: &Object) -> bool {
        self.owns(&object.api_version) || (self == Self::Csi && csi::mounts_classes(object))
    }

    /// What people call it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Eso => "External Secrets Operator",
            Self::Vso => "Vault Secrets Operator",
            Self::Csi => "the Secrets Store CSI driver",
        }
    }
}

/// What the manifests do not say.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Whose the bindings are.
    pub(crate) project: String,
    /// The source of everything that `stores` does not name.
    pub(crate) source: Option<String>,
    /// From a store's name (of VSO: of the `VaultAuth`) to a source.
    pub(crate) stores: BTreeMap<String, String>,
    /// Which clusters.
    pub(crate) clusters: Selector,
    /// Where objects are that do not say.
    pub(crate) namespace: String,
    /// Whose pods may mount what classes name. Empty: those of the workloads that mount them.
    pub(crate) service_accounts: BTreeSet<String>,
    /// Only compare.
    pub(crate) observe: bool,
}

impl Wanted {
    /// The source that stands for a store.
    fn source_of(&self, store: &str) -> String {
        self.stores.get(store).or(self.source.as_ref()).cloned().unwrap_or_else(|| made::name_from(store))
    }
}

/// What becomes of each object, in the order they are in; the bindings have their names and are valid.
pub(crate) fn import(tool: Tool, objects: Vec<(serde_json::Value, String)>, wanted: &Wanted) -> Vec<Outcome> {
    let objects: Vec<Object> = objects.into_iter().map(|(value, place)| Object::new(value, place, &wanted.namespace)).collect();
    let (own, foreign): (Vec<_>, Vec<_>) = objects.into_iter().partition(|object| tool.reads(object));
    let mut outcomes = match tool {
        Tool::Eso => eso::import(&own, wanted),
        Tool::Vso => vso::import(&own, wanted),
        Tool::Csi => csi::import(&own, wanted),
    };
    made::finish(&mut outcomes);
    outcomes.extend(foreign.into_iter().map(|object| Outcome::passed_over(&object)));
    outcomes
}

#[cfg(test)]
mod tests;
