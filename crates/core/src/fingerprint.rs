//! Fingerprints of what KV version 1 holds: they show whether it is what it was, without showing what it is.
//!
//! HMAC-SHA-256 with a key of their own, derived from the digests' root key, and cut to 16 bytes. Whoever has a database dump can try no
//! candidate value against them; the secret's id is part of it, so that equal ones of two secrets say nothing either.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::digest::{DIGEST_BYTES, RootKey};
use crate::id::SecretId;
use crate::material::Material;

/// The key of all fingerprints.
#[derive(Clone)]
pub struct FingerprintKey(Zeroizing<[u8; DIGEST_BYTES]>);

impl FingerprintKey {
    /// The one that comes from this root.
    pub fn of(root: &RootKey) -> Self {
        Self(root.derive(&[b"lockstep fingerprint v1 kv1"]))
    }

    /// The fingerprint of what a secret holds. Lengths are part of it, so no two contents read the same.
    pub fn fingerprint(&self, secret: SecretId, keys: &BTreeMap<String, Material>) -> [u8; 16] {
        let mut hasher = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &*self.0));
        hasher.update(secret.uuid().as_bytes());
        for (name, material) in keys {
            hasher.update(&(name.len() as u64).to_be_bytes());
            hasher.update(name.as_bytes());
            hasher.update(&(material.len() as u64).to_be_bytes());
            hasher.update(material.expose());
        }
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&hasher.sign().as_ref()[..16]);
        fingerprint
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::DigestKeyId;
    use uuid::Uuid;

    #[test]
    fn a_fingerprint_differs_by_content_by_secret_and_by_root() {
        let key = |byte| FingerprintKey::of(&RootKey::new(DigestKeyId::new("a".into()), [byte; 32]));
        let keys = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), Material::new(v.as_bytes().to_vec()))).collect::<BTreeMap<_, _>>()
        };
        let (one, two) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
        let base = key(7).fingerprint(one, &keys(&[("a", "bc")]));
        assert_eq!(base, key(7).fingerprint(one, &keys(&[("a", "bc")])));
        assert_ne!(base, key(7).fingerprint(two, &keys(&[("a", "bc")])));
        assert_ne!(base, key(8).fingerprint(one, &keys(&[("a", "bc")])));
        assert_ne!(base, key(7).fingerprint(one, &keys(&[("ab", "c")])));
        assert_ne!(base, key(7).fingerprint(one, &keys(&[("a", "bc"), ("d", "")])));
    }
}
