//! As what content arrives.

mod csi;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use lockstep_core::binding::{
    IMMUTABLE_NAME_MAX_BYTES, NAMESPACES_MAX, SecretTarget as CheckedSecret, SecretType, Target as Checked, refused_on_a_secret,
};
use lockstep_core::label::{ANNOTATIONS_MAX_BYTES, LABELS_MAX, check_key, check_value};
use lockstep_core::name::{Namespace, SecretName};
use serde::{Deserialize, Serialize};

use super::is_false;
use crate::field::Mistakes;
use crate::selector::Selector;

pub use csi::CsiTarget;

const FIELD: &str = "spec.target.secret";

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
    /// Files in volumes of pods, mounted by the Secrets Store CSI driver; nothing is written in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csi: Option<CsiTarget>,
}

/// A Kubernetes Secret in each namespace that is named or selected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecretTarget {
    /// Its name.
    pub name: String,
    /// Where, by name. A grant must allow each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Where, by the namespaces' labels, as far as grants allow. Also namespaces that are made later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<Selector>,
    /// `Opaque` (default), `kubernetes.io/tls`, `kubernetes.io/dockerconfigjson`, `kubernetes.io/basic-auth` or
    /// `kubernetes.io/ssh-auth`. Content without the keys that the type asks for is not delivered.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub secret_type: Option<String>,
    /// Labels of the Secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the Secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Make each content a Secret of its own that never changes, its name with a hash. An old one stays until nothing refers to it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub immutable: bool,
    /// Take over keys that another tool owns. Without it they are a `Conflict`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub adopt: bool,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DirectoryTarget {
    /// Its name below the agent's root.
    pub name: String,
}

impl Target {
    /// The checked target; mistakes are noted.
    pub(super) fn check(&self, mistakes: &mut Mistakes) -> Option<Checked> {
        match (&self.secret, &self.directory, &self.csi) {
            (None, Some(directory), None) => {
                mistakes.parse("spec.target.directory.name", &directory.name).map(|name| Checked::Directory { name })
            }
            (Some(secret), None, None) => secret.check(mistakes).map(Checked::Secret),
            (None, None, Some(csi)) => csi.check(mistakes).map(Checked::Csi),
            _ => {
                mistakes.add("spec.target", "exactly one of secret, csi and directory is needed");
                None
            }
        }
    }
}

impl SecretTarget {
    fn check(&self, mistakes: &mut Mistakes) -> Option<CheckedSecret> {
        let name: Option<SecretName> = mistakes.parse(format!("{FIELD}.name"), &self.name);
        if self.immutable && self.name.len() > IMMUTABLE_NAME_MAX_BYTES {
            let reason = format!(
                "with immutable it may have {IMMUTABLE_NAME_MAX_BYTES} bytes: a hash is appended to it. Shorten the name"
            );
            mistakes.add(format!("{FIELD}.name"), reason);
        }
        let namespaces = self.check_namespaces(mistakes);
        let namespace_selector = match &self.namespace_selector {
            Some(selector) => selector.check(&format!("{FIELD}.namespaceSelector"), mistakes).map(Some),
            None => Some(None),
        };
        let secret_type = match &self.secret_type {
            Some(word) => mistakes.parse(format!("{FIELD}.type"), word),
            None => Some(SecretType::Opaque),
        };
        check_labels(&self.labels, mistakes);
        check_annotations(&self.annotations, mistakes);
        Some(CheckedSecret {
            name: name?,
            namespaces: namespaces?,
            namespace_selector: namespace_selector?,
            secret_type: secret_type?,
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            immutable: self.immutable,
            adopt: self.adopt,
        })
    }

    fn check_namespaces(&self, mistakes: &mut Mistakes) -> Option<Vec<Namespace>> {
        let field = format!("{FIELD}.namespaces");
        if self.namespaces.is_empty() && self.namespace_selector.is_none() {
            mistakes.add(&field, "where is not said: name namespaces here, or select them by label with namespaceSelector");
        }
        check_names(&self.namespaces, NAMESPACES_MAX, &field, mistakes)
    }
}

/// Names of one kind, each once.
fn check_names<T>(names: &[String], max: usize, field: &str, mistakes: &mut Mistakes) -> Option<Vec<T>>
where
    T: FromStr<Err: Display>,
{
    if names.len() > max {
        mistakes.count(field, names.len(), max);
    }
    let checked = names.iter().enumerate().map(|(i, name)| {
        if names[..i].contains(name) {
            mistakes.add(format!("{field}[{i}]"), format!("{name:?} is named twice: leave one out"));
        }
        mistakes.parse(format!("{field}[{i}]"), name)
    });
    let checked: Vec<Option<T>> = checked.collect();
    checked.into_iter().collect()
}

fn check_labels(labels: &BTreeMap<String, String>, mistakes: &mut Mistakes) {
    if labels.len() > LABELS_MAX {
        mistakes.count(&format!("{FIELD}.labels"), labels.len(), LABELS_MAX);
    }
    for (key, value) in labels {
        let field = format!("{FIELD}.labels.{key}");
        mistakes.take(&field, check_key(key).and_then(|()| check_value(value)));
        refuse(&field, key, mistakes);
    }
}

fn check_annotations(annotations: &BTreeMap<String, String>, mistakes: &mut Mistakes) {
    let bytes: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > ANNOTATIONS_MAX_BYTES {
        let reason = format!("{bytes} bytes are more than the {ANNOTATIONS_MAX_BYTES} that Kubernetes allows: shorten them");
        mistakes.add(format!("{FIELD}.annotations"), reason);
    }
    for key in annotations.keys() {
        let field = format!("{FIELD}.annotations.{key}");
        mistakes.take(&field, check_key(key));
        refuse(&field, key, mistakes);
    }
}

fn refuse(field: &str, key: &str, mistakes: &mut Mistakes) {
    if let Some(reason) = refused_on_a_secret(key) {
        mistakes.add(field, reason);
    }
}

impl From<&Checked> for Target {
    fn from(checked: &Checked) -> Self {
        match checked {
            Checked::Directory { name } => {
                Self { directory: Some(DirectoryTarget { name: name.to_string() }), ..Self::default() }
            }
            Checked::Secret(secret) => Self { secret: Some(secret.into()), ..Self::default() },
            Checked::Csi(csi) => Self { csi: Some(csi.into()), ..Self::default() },
        }
    }
}

impl From<&CheckedSecret> for SecretTarget {
    fn from(checked: &CheckedSecret) -> Self {
        Self {
            name: checked.name.to_string(),
            namespaces: checked.namespaces.iter().map(ToString::to_string).collect(),
            namespace_selector: checked.namespace_selector.as_ref().map(Into::into),
            secret_type: Some(checked.secret_type.to_string()),
            labels: checked.labels.clone(),
            annotations: checked.annotations.clone(),
            immutable: checked.immutable,
            adopt: checked.adopt,
        }
    }
}
