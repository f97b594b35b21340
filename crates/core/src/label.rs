//! Labels and annotations, with Kubernetes' rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Labels of a registered thing, already checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

/// Why a label is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LabelError {
    /// The key is not `[prefix/]name`.
    #[error(
        "{0:?} is not a label key: use [prefix/]name, the name 1 to 63 letters, digits, '-', '_', '.', beginning and ending with a letter or digit"
    )]
    Key(String),
    /// The value has other characters or is too long.
    #[error(
        "{0:?} is not a label value: use up to 63 letters, digits, '-', '_', '.', beginning and ending with a letter or digit"
    )]
    Value(String),
    /// More than [`LABELS_MAX`].
    #[error("more than {LABELS_MAX} labels")]
    TooMany,
}

/// The most labels one thing may have.
pub const LABELS_MAX: usize = 64;
/// All annotations of one thing, keys and values, as Kubernetes limits them.
pub const ANNOTATIONS_MAX_BYTES: usize = 256 << 10;

fn is_word(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().last())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Checks a label key: `name` or `prefix/name`, the prefix a DNS subdomain.
pub fn check_key(key: &str) -> Result<(), LabelError> {
    let good = match key.split_once('/') {
        None => is_word(key),
        Some((prefix, name)) => prefix.len() <= 253 && prefix.split('.').all(crate::name::is_dns_label) && is_word(name),
    };
    if good { Ok(()) } else { Err(LabelError::Key(key.chars().take(80).collect())) }
}

/// Checks a label value; the empty value is one.
pub fn check_value(value: &str) -> Result<(), LabelError> {
    if value.is_empty() || is_word(value) { Ok(()) } else { Err(LabelError::Value(value.chars().take(80).collect())) }
}

impl Labels {
    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Keys and values in order of key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// The labels as a plain map.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.0.clone()
    }
}

impl TryFrom<BTreeMap<String, String>> for Labels {
    type Error = LabelError;
    fn try_from(map: BTreeMap<String, String>) -> Result<Self, LabelError> {
        if map.len() > LABELS_MAX {
            return Err(LabelError::TooMany);
        }
        for (key, value) in &map {
            check_key(key)?;
            check_value(value)?;
        }
        Ok(Self(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_follow_kubernetes() {
        for good in ["env", "lockstep.dev/owner", "a_b.c-d", "A1"] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "-a", "a b", "Up.Case/a"] {
            assert!(check_key(bad).is_err(), "{bad}");
        }
        assert!(check_value("").is_ok() && check_value("prod-1").is_ok());
        assert!(check_value("a b").is_err() && check_value("-").is_err());
    }
}
