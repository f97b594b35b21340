//! One manifest of a file: what it is about, and where its fields are.

use std::fmt;

use lockstep_api::field::FieldError;
use serde_json::Value;

use super::lines::Lines;
use super::mistake::Mistake;
use crate::kind::Registered;

/// One manifest.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) kind: Registered,
    pub(crate) name: String,
    /// As written, without `status`, which only the server writes.
    pub(crate) manifest: Value,
    pub(crate) place: Place,
}

/// Where a manifest is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    file: String,
    /// Before every field of the manifest: empty, or `items[0].` in a list.
    prefix: String,
    lines: Lines,
}

impl Place {
    pub(super) fn new(file: &str, prefix: String, lines: Lines) -> Self {
        Self { file: file.to_owned(), prefix, lines }
    }

    /// `error` with its file and line.
    pub(crate) fn locate(&self, error: &FieldError) -> Mistake {
        let field = format!("{}{}", self.prefix, error.field);
        let field = field.trim_end_matches('.').to_owned();
        Mistake { file: self.file.clone(), line: self.lines.of(&field), field, reason: error.reason.clone() }
    }

    /// A mistake in `field`.
    pub(super) fn mistake(&self, field: &str, reason: impl fmt::Display) -> Mistake {
        self.locate(&FieldError { field: field.to_owned(), reason: reason.to_string() })
    }
}

/// As in `file.yaml:12`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.lines.of(&format!("{}kind", self.prefix)))
    }
}

/// As in `binding/checkout-db`.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.singular(), self.name)
    }
}
