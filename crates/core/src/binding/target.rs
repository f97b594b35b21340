//! Targets: as what content arrives in a cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CsiTarget, SecretType};
use crate::name::{DirectoryName, Namespace, SUBDOMAIN_MAX_BYTES, SecretName};
use crate::selector::Selector;

/// The most namespaces one target may name.
pub const NAMESPACES_MAX: usize = 64;
/// The longest name of an immutable Secret, in bytes: what is left where the agent appends `-` and ten characters of a hash.
pub const IMMUTABLE_NAME_MAX_BYTES: usize = SUBDOMAIN_MAX_BYTES - 11;

/// As what content arrives in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// A Kubernetes Secret in each of some namespaces.
    Secret(SecretTarget),
    /// A directory below the agent's root, a file for each key.
    Directory {
        /// Its name.
        name: DirectoryName,
    },
    /// Files in volumes of pods that mount them, by the Secrets Store CSI driver. Nothing is written in the cluster.
    Csi(CsiTarget),
}

impl Target {
    /// The namespaces that it names.
    pub fn namespaces(&self) -> &[Namespace] {
        match self {
            Self::Secret(target) => &target.namespaces,
            Self::Csi(target) => &target.namespaces,
            Self::Directory { .. } => &[],
        }
    }
}

/// A Kubernetes Secret in each namespace that is named or selected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretTarget {
    /// The Secret's name.
    pub name: SecretName,
    /// Where, by name. Each must be granted.
    pub namespaces: Vec<Namespace>,
    /// Where, by the namespaces' labels, within what grants allow. Also namespaces that come later.
    #[serde(default)]
    pub namespace_selector: Option<Selector>,
    /// Kubernetes' type.
    pub secret_type: SecretType,
    /// Labels of the Secret.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the Secret.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Whether the Secret never changes: each content is a Secret of its own, its name with a hash.
    #[serde(default)]
    pub immutable: bool,
    /// Whether keys that another tool owns are taken over.
    #[serde(default)]
    pub adopt: bool,
}

impl SecretTarget {
    /// An `Opaque` Secret in these namespaces, with everything else as it is when nothing is said about it.
    pub fn new(name: SecretName, namespaces: Vec<Namespace>) -> Self {
        Self {
            name,
            namespaces,
            namespace_selector: None,
            secret_type: SecretType::Opaque,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            immutable: false,
            adopt: false,
        }
    }
}

/// Why a Secret that Lockstep makes must not have a label or annotation of this key; `None`: it may.
pub fn refused_on_a_secret(key: &str) -> Option<&'static str> {
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    if prefix == "argocd.argoproj.io" || key == "app.kubernetes.io/instance" {
        Some("Argo CD would take the Secret for one of its own and prune or revert it: leave it out")
    } else if prefix == "lockstep.dev" || prefix.ends_with(".lockstep.dev") {
        Some("lockstep.dev/ is where Lockstep's own marks are: use another prefix")
    } else if key == "kubectl.kubernetes.io/last-applied-configuration" {
        Some("kubectl keeps a copy of what it applied there, values included, and the agent never reads it: leave it out")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_argo_cd_kubectl_and_we_keep_there_is_refused_and_no_others() {
        for refused in [
            "argocd.argoproj.io/instance",
            "app.kubernetes.io/instance",
            "lockstep.dev/binding",
            "a.lockstep.dev/x",
            "kubectl.kubernetes.io/last-applied-configuration",
        ] {
            assert!(refused_on_a_secret(refused).is_some(), "{refused}");
        }
        for allowed in [
            "app",
            "instance",
            "app.kubernetes.io/name",
            "argoproj.io/x",
            "notlockstep.dev/x",
            "lockstep.dev",
            "kubectl.kubernetes.io/x",
        ] {
            assert!(refused_on_a_secret(allowed).is_none(), "{allowed}");
        }
    }
}
