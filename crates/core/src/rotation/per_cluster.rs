//! What differs between clusters: texts in which `{cluster}` stands for the cluster's name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::CertificateRequest;
use crate::binding::SecretRef;
use crate::engine::Engine;
use crate::kv::{KvMount, KvPath, KvPathError};
use crate::name::{ClusterName, NAME_MAX_BYTES, SourceName};

/// What stands for the cluster's name.
pub const CLUSTER: &str = "{cluster}";

/// A path with [`CLUSTER`] in it, which is another path for each cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathTemplate(String);

/// Why a text is no [`PathTemplate`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathTemplateError {
    /// It is one path for all.
    #[error("it has no {CLUSTER} in it")]
    Same,
    /// With a cluster's name in it, it is no path.
    #[error("with a cluster's name in it: {0}")]
    Path(#[from] KvPathError),
}

impl PathTemplate {
    /// The path of this cluster.
    pub fn of(&self, cluster: &ClusterName) -> Result<KvPath, KvPathError> {
        self.0.replace(CLUSTER, cluster.as_str()).parse()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this path is that of some cluster, or may be.
    pub fn may_be(&self, path: &str) -> bool {
        let (ours, theirs): (Vec<_>, Vec<_>) = (self.0.split('/').collect(), path.split('/').collect());
        ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(one, other)| segments_meet(one, other))
    }
}

/// Whether two segments may be the same when clusters' names are put in. Where both have one it is not looked closer.
fn segments_meet(one: &str, other: &str) -> bool {
    match (one.split_once(CLUSTER), other.split_once(CLUSTER)) {
        (None, None) => one == other,
        (Some(_), Some(_)) => true,
        (Some((before, after)), None) => ends_are(before, after, other),
        (None, Some((before, after))) => ends_are(before, after, one),
    }
}

/// Where there is a second name in what comes after the first, only its end is compared.
fn ends_are(before: &str, after: &str, text: &str) -> bool {
    let end = after.rsplit_once(CLUSTER).map_or(after, |(_, end)| end);
    text.len() > before.len() + end.len() && text.starts_with(before) && text.ends_with(end)
}

impl FromStr for PathTemplate {
    type Err = PathTemplateError;
    fn from_str(text: &str) -> Result<Self, PathTemplateError> {
        if !text.contains(CLUSTER) {
            return Err(PathTemplateError::Same);
        }
        // The longest that may come.
        text.replace(CLUSTER, &"a".repeat(NAME_MAX_BYTES)).parse::<KvPath>()?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for PathTemplate {
    type Error = PathTemplateError;
    fn try_from(text: String) -> Result<Self, PathTemplateError> {
        text.parse()
    }
}

impl From<PathTemplate> for String {
    fn from(path: PathTemplate) -> Self {
        path.0
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where each cluster's own secret is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnSecrets {
    /// In which source.
    pub source: SourceName,
    /// The KV v2 engine's mount.
    pub mount: KvMount,
    /// The path below it.
    pub path: PathTemplate,
}

impl OwnSecrets {
    /// This cluster's.
    pub fn of(&self, cluster: &ClusterName) -> Result<SecretRef, KvPathError> {
        let path = self.path.of(cluster)?;
        Ok(SecretRef { source: self.source.clone(), engine: Engine::KvV2, mount: self.mount.clone(), path })
    }
}

impl CertificateRequest {
    /// The names of it, all of which may have [`CLUSTER`] in them.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.common_name).chain(&self.alt_names).chain(&self.uris)
    }

    /// What is asked for this cluster.
    #[must_use]
    pub fn of(&self, cluster: &ClusterName) -> Self {
        let put = |text: &String| text.replace(CLUSTER, cluster.as_str());
        Self {
            common_name: put(&self.common_name),
            alt_names: self.alt_names.iter().map(put).collect(),
            uris: self.uris.iter().map(put).collect(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> PathTemplate {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_with_a_clusters_name_in_it_is_one_for_each_cluster() {
        let (eu, path) = ("eu-1".parse().unwrap(), template("web/{cluster}/tls-{cluster}"));
        assert_eq!(path.of(&eu).unwrap().as_str(), "web/eu-1/tls-eu-1");
        assert_eq!("web/tls".parse::<PathTemplate>(), Err(PathTemplateError::Same));
        for wrong in ["/{cluster}", "{cluster}//tls", "{cluster}/{namespace}", "{cluster}*"] {
            assert!(matches!(wrong.parse::<PathTemplate>(), Err(PathTemplateError::Path(_))), "{wrong}");
        }
        let long = format!("{}/{CLUSTER}", "x".repeat(crate::kv::PATH_MAX_BYTES - 20));
        assert_eq!(
            long.parse::<PathTemplate>(),
            Err(PathTemplateError::Path(KvPathError::TooLong)),
            "with the longest name it would be"
        );
    }

    #[test]
    fn paths_that_some_cluster_might_share_are_known() {
        for (path, other, meet) in [
            ("web/{cluster}/tls", "web/eu-1/tls", true),
            ("web/{cluster}/tls", "web/eu-1/key", false),
            ("web/{cluster}/tls", "web/eu-1/deep/tls", false),
            ("web/{cluster}/tls", "{cluster}/eu-1/tls", true),
            ("web/a-{cluster}-z", "web/a-eu-z", true),
            ("web/a-{cluster}-z", "web/a-z", false),
            ("web/a-{cluster}-z", "web/b-eu-z", false),
            ("web/{cluster}-{cluster}", "web/eu-eu", true),
        ] {
            assert_eq!(template(path).may_be(other), meet, "{path} {other}");
        }
    }
}
