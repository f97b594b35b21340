//! How a cluster logs in at a source: the same for all clusters, but for the cluster's name where it is written `{cluster}`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Stands for the cluster's name.
pub const CLUSTER: &str = "{cluster}";
/// The longest mount, role or audience, in bytes.
const TEXT_MAX_BYTES: usize = 256;
/// What Kubernetes' API servers take tokens for where nobody configured anything else: the beginning of their issuer.
const API_AUDIENCE_PREFIX: &str = "https://kubernetes.default.svc";

/// How a cluster logs in, with a token of its agent's service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterLogin {
    /// Which of Vault's login methods.
    pub method: Method,
    /// Where it is mounted, below `auth/`.
    pub mount: LoginPattern,
    /// The role to log in to.
    pub role: LoginPattern,
    /// The one audience of the token that is shown.
    pub audience: Audience,
}

/// A login method that takes service accounts' tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// Vault has the cluster's API server review the token.
    Kubernetes,
    /// Vault checks the token by the cluster's public keys: for clusters that it cannot reach.
    Jwt,
}

impl Method {
    /// As Vault calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "Kubernetes",
            Self::Jwt => "JWT",
        }
    }
}

/// A mount or role, in which [`CLUSTER`] stands for the cluster's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LoginPattern(String);

/// Why a text is no mount and no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "use letters, digits, '-', '_', '.' and between them '/', 256 at most, with {{cluster}} where the cluster's name belongs"
)]
pub struct LoginPatternError;

impl LoginPattern {
    /// As it is for the cluster of this name.
    pub fn of(&self, cluster: &str) -> String {
        self.0.replace(CLUSTER, cluster)
    }

    /// Whether it differs from cluster to cluster.
    pub fn names_cluster(&self) -> bool {
        self.0.contains(CLUSTER)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LoginPattern {
    type Err = LoginPatternError;
    fn from_str(text: &str) -> Result<Self, LoginPatternError> {
        let is_word = |part: &str| !part.is_empty() && part != "." && part != "..";
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        // A name of a cluster is such a word itself.
        let filled = text.replace(CLUSTER, "c");
        let is_good = text.len() <= TEXT_MAX_BYTES && filled.chars().all(is_plain) && filled.split('/').all(is_word);
        if is_good { Ok(Self(text.to_owned())) } else { Err(LoginPatternError) }
    }
}

impl TryFrom<String> for LoginPattern {
    type Error = LoginPatternError;
    fn try_from(text: String) -> Result<Self, LoginPatternError> {
        text.parse()
    }
}

impl From<LoginPattern> for String {
    fn from(pattern: LoginPattern) -> Self {
        pattern.0
    }
}

/// Whom a token is for. Never a cluster's own API server: whoever is shown such a token can act as the service account there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Audience(String);

/// Why a text is no audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AudienceError {
    /// Empty, too long, or with spaces.
    #[error("an audience is one word of 1 to 256 printable characters, such as vault")]
    Shape,
    /// The API server takes such tokens.
    #[error(
        "a token for {API_AUDIENCE_PREFIX} opens the cluster's API server: give Vault's role an audience of its own, such as vault"
    )]
    ApiServer,
}

impl Audience {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Audience {
    type Err = AudienceError;
    fn from_str(text: &str) -> Result<Self, AudienceError> {
        if text.is_empty() || text.len() > TEXT_MAX_BYTES || !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(AudienceError::Shape);
        }
        if text.starts_with(API_AUDIENCE_PREFIX) {
            return Err(AudienceError::ApiServer);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Audience {
    type Error = AudienceError;
    fn try_from(text: String) -> Result<Self, AudienceError> {
        text.parse()
    }
}

impl From<Audience> for String {
    fn from(audience: Audience) -> Self {
        audience.0
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clusters_name_fills_a_mount_or_role() {
        for (pattern, is) in [("kubernetes-{cluster}", "kubernetes-eu-1"), ("jwt", "jwt"), ("{cluster}/k8s", "eu-1/k8s")] {
            assert_eq!(pattern.parse::<LoginPattern>().unwrap().of("eu-1"), is);
        }
        for bad in ["", "/k", "k/", "a//b", "a/../b", "{cluster", "{name}", "a b", "a?b", "a%2fb", &"a".repeat(257)] {
            assert_eq!(bad.parse::<LoginPattern>(), Err(LoginPatternError), "{bad:?}");
        }
    }

    #[test]
    fn no_token_for_an_api_server_is_asked_for() {
        assert_eq!("vault".parse::<Audience>().unwrap().as_str(), "vault");
        for api in ["https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local"] {
            assert_eq!(api.parse::<Audience>(), Err(AudienceError::ApiServer));
        }
        for bad in ["", "a b", "a\n", &"a".repeat(257)] {
            assert_eq!(bad.parse::<Audience>(), Err(AudienceError::Shape), "{bad:?}");
        }
    }
}
