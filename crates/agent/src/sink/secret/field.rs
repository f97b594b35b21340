//! Fields of a Secret that have an owner of their own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The label of every Secret with a mark; watches select by it.
pub(super) const MANAGED_LABEL: &str = "lockstep.dev/managed";
/// What a mark's annotation begins with; the binding's id follows.
pub(super) const MARK_PREFIX: &str = "lockstep.dev/binding.";
/// What a field manager of a binding begins with; the binding's id follows.
pub(super) const MANAGER_PREFIX: &str = "lockstep.";

/// A field. As text a key of the data is itself, and others begin with what a key cannot have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(super) enum Field {
    /// A key of the data.
    Key(String),
    Label(String),
    Annotation(String),
    /// Any other, by its path.
    Other(String),
}

const LABEL: &str = "label:";
const ANNOTATION: &str = "annotation:";
const OTHER: &str = "field:";

impl Field {
    /// As a refusal spells it: `.data.DB_PASSWORD`, `.metadata.labels.app`.
    pub(super) fn of_path(path: &str) -> Self {
        if let Some(key) = path.strip_prefix(".data.") {
            Self::Key(key.to_owned())
        } else if let Some(label) = path.strip_prefix(".metadata.labels.") {
            Self::Label(label.to_owned())
        } else if let Some(annotation) = path.strip_prefix(".metadata.annotations.") {
            Self::Annotation(annotation.to_owned())
        } else {
            Self::Other(path.trim_start_matches('.').to_owned())
        }
    }

    /// Whether nobody but Lockstep has business with it.
    pub(super) fn is_lockstep(&self) -> bool {
        match self {
            Self::Label(name) => name == MANAGED_LABEL,
            Self::Annotation(name) => name.starts_with(MARK_PREFIX),
            Self::Key(_) | Self::Other(_) => false,
        }
    }
}

impl From<String> for Field {
    fn from(text: String) -> Self {
        if let Some(label) = text.strip_prefix(LABEL) {
            Self::Label(label.to_owned())
        } else if let Some(annotation) = text.strip_prefix(ANNOTATION) {
            Self::Annotation(annotation.to_owned())
        } else if let Some(path) = text.strip_prefix(OTHER) {
            Self::Other(path.to_owned())
        } else {
            Self::Key(text)
        }
    }
}

impl From<Field> for String {
    fn from(field: Field) -> Self {
        match field {
            Field::Key(key) => key,
            Field::Label(label) => format!("{LABEL}{label}"),
            Field::Annotation(annotation) => format!("{ANNOTATION}{annotation}"),
            Field::Other(path) => format!("{OTHER}{path}"),
        }
    }
}

/// For people.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "key {key}"),
            Self::Label(label) => write!(f, "label {label}"),
            Self::Annotation(annotation) => write!(f, "annotation {annotation}"),
            Self::Other(path) => write!(f, "field {path}"),
        }
    }
}
