//! Digests of rendered content: they show that two places hold the same bytes without showing the bytes.
//!
//! HMAC-SHA-256 with a key per cluster, derived by HKDF from a root key that lives in the home Vault. Without the key nobody can
//! try candidate values against a digest in a database dump; with a key per cluster, equal digests in two clusters say nothing.

use std::fmt;

use aws_lc_rs::{hkdf, hmac};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::id::ClusterId;
use crate::material::Material;
use crate::render::Rendered;

/// Bytes of a root key, a cluster's key and a digest.
pub const DIGEST_BYTES: usize = 32;

/// Names a root key. A digest under an unknown key means "unknown", never "changed".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DigestKeyId(String);

impl DigestKeyId {
    /// The id as stored beside the key in the home Vault.
    pub fn new(id: String) -> Self {
        Self(id)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The root of all digests' keys.
pub struct RootKey {
    id: DigestKeyId,
    bytes: Zeroizing<[u8; DIGEST_BYTES]>,
}

/// One cluster's key.
#[derive(Clone)]
pub struct ClusterKey {
    /// The root key it was derived from.
    pub id: DigestKeyId,
    bytes: Zeroizing<[u8; DIGEST_BYTES]>,
}

/// A digest and the key it was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Which key.
    pub key: DigestKeyId,
    /// The HMAC, in hex where it is text.
    #[serde(with = "hex::serde")]
    pub hmac: [u8; DIGEST_BYTES],
}

impl RootKey {
    /// A root key of 32 random bytes.
    pub fn new(id: DigestKeyId, bytes: [u8; DIGEST_BYTES]) -> Self {
        Self { id, bytes: Zeroizing::new(bytes) }
    }

    /// Its id.
    pub fn id(&self) -> &DigestKeyId {
        &self.id
    }

    /// The key for `cluster`.
    pub fn for_cluster(&self, cluster: ClusterId) -> ClusterKey {
        let bytes = self.derive(&[b"lockstep digest v1 cluster ".as_slice(), cluster.uuid().as_bytes()]);
        ClusterKey { id: self.id.clone(), bytes }
    }

    /// A key of its own for each `info`.
    pub(crate) fn derive(&self, info: &[&[u8]]) -> Zeroizing<[u8; DIGEST_BYTES]> {
        let mut bytes = Zeroizing::new([0; DIGEST_BYTES]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"lockstep")
            .extract(&*self.bytes)
            .expand(info, hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *bytes))
            .expect("HKDF-SHA-256 gives 32 bytes");
        bytes
    }
}

impl ClusterKey {
    /// From what `Welcome` or the agent's own state gave.
    pub fn new(id: DigestKeyId, bytes: [u8; DIGEST_BYTES]) -> Self {
        Self { id, bytes: Zeroizing::new(bytes) }
    }

    /// The key's bytes, to be sent to the cluster's agent.
    pub fn expose(&self) -> &[u8; DIGEST_BYTES] {
        &self.bytes
    }

    /// The digest of what a target holds or should hold. Lengths are part of it, so no two contents read the same.
    pub fn digest(&self, content: &Rendered) -> Digest {
        Digest { key: self.id.clone(), hmac: self.hmac(&[], content.iter()) }
    }

    /// A text that is the same for the same entries and says nothing of them: 32 hex digits, for places that everybody may read.
    pub fn version<'a>(&self, entries: impl IntoIterator<Item = (&'a str, &'a Material)>) -> String {
        hex::encode(&self.hmac(b"lockstep version v1", entries)[..16])
    }

    fn hmac<'a>(&self, purpose: &[u8], entries: impl IntoIterator<Item = (&'a str, &'a Material)>) -> [u8; DIGEST_BYTES] {
        let mut hasher = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &*self.bytes));
        hasher.update(purpose);
        for (name, material) in entries {
            hasher.update(&(name.len() as u64).to_be_bytes());
            hasher.update(name.as_bytes());
            hasher.update(&(material.len() as u64).to_be_bytes());
            hasher.update(material.expose());
        }
        let mut hmac = [0; DIGEST_BYTES];
        hmac.copy_from_slice(hasher.sign().as_ref());
        hmac
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterKey({})", self.id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn content(pairs: &[(&str, &str)]) -> Rendered {
        Rendered::of(pairs.iter().map(|(k, v)| ((*k).to_owned(), Material::new(v.as_bytes().to_vec())))).unwrap()
    }

    #[test]
    fn a_digest_differs_by_content_by_cluster_and_by_root() {
        let root = RootKey::new(DigestKeyId::new("a".into()), [7; 32]);
        let one = root.for_cluster(Uuid::from_u128(1).into());
        let two = root.for_cluster(Uuid::from_u128(2).into());
        let base = one.digest(&content(&[("a", "bc")]));
        assert_eq!(base, one.digest(&content(&[("a", "bc")])));
        assert_ne!(base.hmac, two.digest(&content(&[("a", "bc")])).hmac);
        assert_ne!(base.hmac, one.digest(&content(&[("ab", "c")])).hmac);
        assert_ne!(base.hmac, one.digest(&content(&[("a", "bc"), ("d", "")])).hmac);
    }
}
