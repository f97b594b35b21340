//! Mistakes in a manifest, each with the field it is in.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// Where, such as `spec.items[0].path`.
    pub field: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// Collects mistakes while a spec is parsed, so that all are reported at once.
#[derive(Debug, Default)]
pub struct Mistakes(Vec<FieldError>);

impl Mistakes {
    /// Notes a mistake.
    pub fn add(&mut self, field: impl Into<String>, reason: impl Display) {
        self.0.push(FieldError { field: field.into(), reason: reason.to_string() });
    }

    /// Parses one text; a mistake is noted and gives `None`.
    pub fn parse<T>(&mut self, field: impl Into<String>, text: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        self.take(field, text.parse())
    }

    /// Takes the good value of a result; a mistake is noted and gives `None`.
    pub fn take<T>(&mut self, field: impl Into<String>, result: Result<T, impl Display>) -> Option<T> {
        result.map_err(|e| self.add(field, e)).ok()
    }

    /// Notes a list that is empty or too long.
    pub fn count(&mut self, field: &str, len: usize, max: usize) {
        if len == 0 {
            self.add(field, "at least one is needed");
        } else if len > max {
            self.add(field, format!("{len} are more than the {max} allowed: split it"));
        }
    }

    /// Whether none was noted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value, if there was no mistake.
    ///
    /// `None` without a mistake would be an error in this crate; it is reported as one of the manifest and never panics.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Vec<FieldError>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => {
                if self.0.is_empty() {
                    self.add("spec", "cannot be understood");
                }
                Err(self.0)
            }
        }
    }
}
