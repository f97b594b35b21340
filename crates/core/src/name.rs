//! Names of registered things: DNS labels, as Kubernetes has them (RFC 1123), so that they fit in URLs, labels and file names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest name, in bytes (RFC 1123 label).
pub const NAME_MAX_BYTES: usize = 63;
/// The longest name of a Kubernetes object, in bytes (RFC 1123 subdomain).
pub const SUBDOMAIN_MAX_BYTES: usize = 253;

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is not a valid name: use 1 to 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
)]
pub struct NameError {
    /// What was given, cut to a printable length.
    text: String,
}

/// Why a text is no name of a Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is not a valid name of a Kubernetes object: use 1 to 253 lower-case letters, digits, '-' and '.', each part between dots \
     beginning and ending with a letter or digit"
)]
pub struct SubdomainError {
    /// What was given, cut to a printable length.
    text: String,
}

/// Whether `text` is an RFC 1123 label.
pub fn is_dns_label(text: &str) -> bool {
    text.len() <= NAME_MAX_BYTES && is_word(text)
}

/// Whether `text` is an RFC 1123 subdomain as Kubernetes checks it: its parts may be longer than a label.
pub fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= SUBDOMAIN_MAX_BYTES && text.split('.').all(is_word)
}

fn is_word(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    edge(text.chars().next())
        && edge(text.chars().last())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

macro_rules! name {
    ($check:ident, $error:ident, $max:ident: $($(#[$doc:meta])* $name:ident;)*) => {$(
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
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, $error> {
                if $check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err($error { text: text.chars().take($max + 1).collect() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
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

name! { is_dns_label, NameError, NAME_MAX_BYTES:
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
    /// The name of a role assignment.
    RoleAssignmentName;
    /// The name of a maintenance window.
    MaintenanceWindowName;
    /// The name of an API token.
    TokenName;
    /// The name of an OIDC issuer in the server's configuration.
    IssuerName;
    /// The name of a credential set in the server's configuration.
    CredentialsName;
    /// A Kubernetes namespace.
    Namespace;
    /// A directory below the agent's root.
    DirectoryName;
}

name! { is_dns_subdomain, SubdomainError, SUBDOMAIN_MAX_BYTES:
    /// A Kubernetes Secret's name.
    SecretName;
    /// The name of a Deployment, StatefulSet or DaemonSet.
    WorkloadName;
    /// A Kubernetes service account's name.
    ServiceAccountName;
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

    #[test]
    fn a_kubernetes_objects_name_is_a_dns_subdomain() {
        for good in ["a", "a.b", "checkout-db.v2", &"x".repeat(253)] {
            assert!(good.parse::<SecretName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a.-b", "A", "a_b", "a/b", &"x".repeat(254)] {
            assert!(bad.parse::<SecretName>().is_err(), "{bad}");
        }
    }
}
