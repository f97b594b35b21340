//! Where a secret lives in a source: mount and path of a KV engine.

mod pattern;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use pattern::{CLUSTER, PathPattern};

/// The longest path, in bytes. Vault's own limit on a request path is far above; this keeps rows and messages small.
pub const PATH_MAX_BYTES: usize = 512;

/// Why a text is no mount or path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KvPathError {
    /// Nothing was given.
    #[error("it is empty")]
    Empty,
    /// Longer than [`PATH_MAX_BYTES`].
    #[error("it is longer than {PATH_MAX_BYTES} bytes")]
    TooLong,
    /// A `.`, `..` or empty segment, which servers and proxies rewrite.
    #[error("segment {0:?} is not allowed: no empty, '.' or '..' segments, and no '/' at either end")]
    Segment(String),
    /// A character that would change meaning in a URL or a glob.
    #[error("character {0:?} is not allowed: use letters, digits and any of - _ . @ + = , : ~ and space")]
    Character(char),
    /// Taken for a pattern, and none.
    #[error("it has no {CLUSTER}, so it is the same path in every cluster")]
    SameEverywhere,
}

fn check(text: &str) -> Result<(), KvPathError> {
    if text.is_empty() {
        return Err(KvPathError::Empty);
    }
    if text.len() > PATH_MAX_BYTES {
        return Err(KvPathError::TooLong);
    }
    for segment in text.split('/') {
        if matches!(segment, "" | "." | "..") {
            return Err(KvPathError::Segment(segment.to_owned()));
        }
        if let Some(bad) = segment.chars().find(|c| !(c.is_alphanumeric() || "-_.@+=,:~ ".contains(*c))) {
            return Err(KvPathError::Character(bad));
        }
    }
    Ok(())
}

macro_rules! kv_text {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text, without a slash at either end.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = KvPathError;
            fn from_str(text: &str) -> Result<Self, KvPathError> {
                check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = KvPathError;
            fn try_from(text: String) -> Result<Self, KvPathError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

kv_text! {
    /// Where an engine is mounted, such as `kv` or `team/kv`.
    KvMount;
    /// A secret's path below its mount, such as `payments/checkout/db`.
    KvPath;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_no_segment_that_a_proxy_would_rewrite() {
        for good in ["a", "payments/checkout/db", "a b/c", "über/db", "x.y_z-1@2"] {
            assert!(good.parse::<KvPath>().is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "a/../b", "./a", "a?b", "a#b", "a%2fb", "a*", "a\nb", &"x".repeat(513)] {
            assert!(bad.parse::<KvPath>().is_err(), "{bad}");
        }
    }
}
