//! Names of registered things: DNS labels, as Kubernetes has them (RFC 1123), so that they fit in URLs, labels and file names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest name, in bytes (RFC 1123 label).
pub const NAME_MAX_BYTES: usize = 63;

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is not a valid name: use 1 to 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
)]
pub struct NameError {
    /// What was given, cut to a printable length.
    text: String,
}

/// Whether `text` is an RFC 1123 label.
pub fn is_dns_label(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= NAME_MAX_BYTES
        && edge(text.chars().next())
        && edge(text.chars().last())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

macro_rules! name {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                if is_dns_label(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError { text: text.chars().take(NAME_MAX_BYTES + 1).collect() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

name! {
    /// A cluster's name.
    ClusterName;
    /// A project's name.
    ProjectName;
    /// A source's name.
    SourceName;
    /// A grant's name.
    GrantName;
    /// A binding's name.
    BindingName;
    /// The name of a credential set in the server's configuration.
    CredentialsName;
    /// A Kubernetes namespace.
    Namespace;
    /// A directory below the agent's root.
    DirectoryName;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_dns_label() {
        for good in ["a", "a-b", "0", "checkout-db", &"x".repeat(63)] {
            assert!(good.parse::<ClusterName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "a/b", "..", &"x".repeat(64), "ü"] {
            assert!(bad.parse::<ClusterName>().is_err(), "{bad}");
        }
    }
}
