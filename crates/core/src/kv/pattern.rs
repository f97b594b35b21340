//! A path that is another in each cluster.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{KvPath, KvPathError, check};
use crate::name::{ClusterName, NAME_MAX_BYTES};

/// What stands for the cluster's name.
pub const CLUSTER: &str = "{cluster}";

/// A path in which [`CLUSTER`] stands for the name of the cluster, once or more often: `payments/{cluster}/db`. Whatever the name, it is a
/// path then: names have no `/`, and the longest one fits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern(String);

impl PathPattern {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the path in some cluster.
    pub fn may_be(&self, path: &str) -> bool {
        let rest = self.0.split_once(CLUSTER).and_then(|(before, _)| path.strip_prefix(before)).unwrap_or_default();
        let ends = 1..=rest.len().min(NAME_MAX_BYTES);
        ends.filter_map(|end| rest.get(..end)?.parse().ok()).any(|name| self.resolve(&name).as_str() == path)
    }

    /// Whether some cluster's path here may be that one, or some cluster's there where it is a pattern itself. Of two names in one segment it is not
    /// looked closer: may be.
    pub fn meets(&self, other: &str) -> bool {
        let (ours, theirs): (Vec<_>, Vec<_>) = (self.0.split('/').collect(), other.split('/').collect());
        ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(one, other)| segments_meet(one, other))
    }

    /// The path in this cluster.
    pub fn resolve(&self, cluster: &ClusterName) -> KvPath {
        KvPath(self.0.replace(CLUSTER, cluster.as_str()))
    }
}

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

impl FromStr for PathPattern {
    type Err = KvPathError;
    fn from_str(text: &str) -> Result<Self, KvPathError> {
        if !text.contains(CLUSTER) {
            return Err(KvPathError::SameEverywhere);
        }
        check(&text.replace(CLUSTER, &"x".repeat(NAME_MAX_BYTES))).map(|()| Self(text.to_owned()))
    }
}

impl TryFrom<String> for PathPattern {
    type Error = KvPathError;
    fn try_from(text: String) -> Result<Self, KvPathError> {
        text.parse()
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_clusters_name_stands_where_the_pattern_says() {
        for (pattern, path) in [
            ("payments/{cluster}/db", "payments/eu-1/db"),
            ("{cluster}", "eu-1"),
            ("certs/checkout-{cluster}", "certs/checkout-eu-1"),
            ("{cluster}/{cluster}.pem", "eu-1/eu-1.pem"),
        ] {
            let pattern: PathPattern = pattern.parse().unwrap();
            assert_eq!(pattern.resolve(&"eu-1".parse().unwrap()).as_str(), path);
            assert!(
                pattern.may_be(path)
                    && !pattern.may_be(pattern.as_str())
                    && !pattern.may_be("eu-1/us-1.pem")
                    && !pattern.may_be("")
            );
        }
    }

    #[test]
    fn no_other_brace_means_anything_and_a_path_that_a_name_could_break_is_refused() {
        let long = |rest: usize| format!("{{cluster}}/{}", "x".repeat(rest));
        assert!(long(512 - 64).parse::<PathPattern>().is_ok());
        for bad in [
            "a/b",
            "{clusters}",
            "a/{cluster",
            "{Cluster}/a",
            "{cluster}/{region}",
            "{cluster}//a",
            "/{cluster}",
            "{{cluster}}",
            &long(512 - 63),
        ] {
            assert!(bad.parse::<PathPattern>().is_err(), "{bad}");
            assert!(bad == "a/b" || bad.parse::<KvPath>().is_err(), "{bad}");
        }
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
            assert_eq!(path.parse::<PathPattern>().unwrap().meets(other), meet, "{path} {other}");
        }
    }

    proptest! {
        #[test]
        fn whatever_resolves_is_a_path_of_as_many_segments(
            segments in prop::collection::vec("[a-z.{cluster}-]{1,6}|\\{cluster\\}|[a-z]{0,3}\\{cluster\\}[a-z.]{0,3}", 1..5),
            name in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        ) {
            let text = segments.join("/");
            if let Ok(pattern) = text.parse::<PathPattern>() {
                let path = pattern.resolve(&name.parse().unwrap());
                prop_assert!(path.as_str().parse::<KvPath>().is_ok(), "{} in {}", text, name);
                prop_assert_eq!(path.as_str().matches('/').count(), segments.len() - 1);
            }
        }
    }
}
