//! What an item draws from: one secret, or in each cluster another.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::SecretRef;
use crate::engine::Engine;
use crate::kv::{KvMount, PathPattern};
use crate::name::{ClusterName, SourceName};

/// What an item draws from. Both are stored alike: a path with a brace is a pattern, and nothing else can have one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Drawn {
    /// One secret, however many clusters there are.
    Everywhere(SecretRef),
    /// In each cluster another.
    ByCluster(SecretPattern),
}

/// Secrets by name, but for the cluster's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretPattern {
    /// The source's name.
    pub source: SourceName,
    /// What they are drawn from there: KV.
    #[serde(default, skip_serializing_if = "Engine::is_default")]
    pub engine: Engine,
    /// The engine's mount.
    pub mount: KvMount,
    /// The path below it.
    pub path: PathPattern,
}

impl SecretPattern {
    /// The secret in this cluster.
    pub fn resolve(&self, cluster: &ClusterName) -> SecretRef {
        let Self { source, engine, mount, path } = self;
        SecretRef { source: source.clone(), engine: *engine, mount: mount.clone(), path: path.resolve(cluster) }
    }
}

impl Drawn {
    /// The secret in this cluster.
    pub fn resolve(&self, cluster: &ClusterName) -> Cow<'_, SecretRef> {
        match self {
            Self::Everywhere(secret) => Cow::Borrowed(secret),
            Self::ByCluster(pattern) => Cow::Owned(pattern.resolve(cluster)),
        }
    }

    /// The secret, if it is the same in all clusters.
    pub const fn everywhere(&self) -> Option<&SecretRef> {
        match self {
            Self::Everywhere(secret) => Some(secret),
            Self::ByCluster(_) => None,
        }
    }

    /// The source's name.
    pub const fn source(&self) -> &SourceName {
        match self {
            Self::Everywhere(secret) => &secret.source,
            Self::ByCluster(pattern) => &pattern.source,
        }
    }

    /// What it is drawn from there.
    pub const fn engine(&self) -> Engine {
        match self {
            Self::Everywhere(secret) => secret.engine,
            Self::ByCluster(pattern) => pattern.engine,
        }
    }

    /// The engine's mount.
    pub const fn mount(&self) -> &KvMount {
        match self {
            Self::Everywhere(secret) => &secret.mount,
            Self::ByCluster(pattern) => &pattern.mount,
        }
    }

    /// The path as written.
    pub fn path(&self) -> &str {
        match self {
            Self::Everywhere(secret) => secret.path.as_str(),
            Self::ByCluster(pattern) => pattern.path.as_str(),
        }
    }
}

impl From<SecretRef> for Drawn {
    fn from(secret: SecretRef) -> Self {
        Self::Everywhere(secret)
    }
}

/// As in `corp/kv/payments/db`.
impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.source(), self.mount(), self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::tests::{drawn, secret_ref};

    #[test]
    fn what_is_drawn_is_stored_as_a_secret_is_and_a_brace_tells_them_apart() {
        let everywhere = Drawn::from(secret_ref(Engine::KvV1, "a"));
        let by_cluster = drawn("a/{cluster}");
        assert_eq!(by_cluster.everywhere(), None);
        assert_eq!(by_cluster.to_string(), "corp/kv/a/{cluster}");
        assert_eq!(*by_cluster.resolve(&"eu-1".parse().unwrap()), secret_ref(Engine::KvV2, "a/eu-1"));
        for (drawn, stored) in [
            (everywhere, serde_json::json!({"source": "corp", "engine": "KvV1", "mount": "kv", "path": "a"})),
            (by_cluster, serde_json::json!({"source": "corp", "mount": "kv", "path": "a/{cluster}"})),
        ] {
            assert_eq!(serde_json::to_value(&drawn).unwrap(), stored);
            assert_eq!(serde_json::from_value::<Drawn>(stored).unwrap(), drawn);
        }
    }
}
