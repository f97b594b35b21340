//! Where a target's Secrets are.

use std::collections::BTreeSet;
use std::fmt;

use lockstep_core::binding::SecretTarget;
use lockstep_core::digest::Digest;
use lockstep_core::name::Namespace;

use crate::sink::SinkError;

/// How much of a digest is in the name of an immutable Secret, in hex digits.
const HASH_HEX: usize = 10;
/// The longest name of a Secret.
const NAME_MAX_BYTES: usize = 253;

/// A Secret's place in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Location {
    pub(super) namespace: Namespace,
    pub(super) name: String,
}

impl Location {
    /// Below the API server's address. Both names are DNS names, which need no escaping.
    pub(super) fn path(&self) -> String {
        format!("/api/v1/namespaces/{}/secrets/{}", self.namespace, self.name)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The name of the Secret that holds the content of that digest.
pub(super) fn name(target: &SecretTarget, digest: &Digest) -> Result<String, SinkError> {
    if !target.immutable {
        return Ok(target.name.as_str().to_owned());
    }
    let name = format!("{}-{}", target.name, &hex::encode(digest.hmac)[..HASH_HEX]);
    if name.len() > NAME_MAX_BYTES {
        return Err(SinkError::Kubernetes(format!(
            "an immutable Secret's name gets {} more characters, so {} is too long: shorten spec.target.secret.name",
            HASH_HEX + 1,
            target.name
        )));
    }
    Ok(name)
}

/// The Secrets of that name in these namespaces.
pub(super) fn locations(name: &str, namespaces: BTreeSet<Namespace>) -> Vec<Location> {
    namespaces.into_iter().map(|namespace| Location { namespace, name: name.to_owned() }).collect()
}
