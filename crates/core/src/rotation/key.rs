//! Fingerprints of values, by which a rotation knows again what it wrote when it was interrupted before it could say so.
//!
//! Not plain hashes: whoever reads them in a dump of the database could try values against them.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::digest::{DIGEST_BYTES, RootKey};

/// Bytes of a fingerprint.
pub const FINGERPRINT_BYTES: usize = 16;

/// The key of rotations' fingerprints.
#[derive(Clone)]
pub struct RotationKey(Zeroizing<[u8; DIGEST_BYTES]>);

impl RootKey {
    /// The key of rotations' fingerprints. Another root key gives other fingerprints: then none is known again.
    pub fn for_rotations(&self) -> RotationKey {
        RotationKey(self.derive(&[b"lockstep rotation v1"]))
    }
}

impl RotationKey {
    /// The fingerprint of these keys' values. Lengths are part of it, so no two sets read the same.
    pub fn fingerprint(&self, keys: &BTreeMap<&str, &[u8]>) -> [u8; FINGERPRINT_BYTES] {
        let mut hasher = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &*self.0));
        for (key, value) in keys {
            for bytes in [key.as_bytes(), value] {
                hasher.update(&(bytes.len() as u64).to_be_bytes());
                hasher.update(bytes);
            }
        }
        let mut fingerprint = [0; FINGERPRINT_BYTES];
        fingerprint.copy_from_slice(&hasher.sign().as_ref()[..FINGERPRINT_BYTES]);
        fingerprint
    }
}

impl fmt::Debug for RotationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RotationKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::DigestKeyId;

    fn key(byte: u8) -> RotationKey {
        RootKey::new(DigestKeyId::new("a".into()), [byte; DIGEST_BYTES]).for_rotations()
    }

    fn of(key: &RotationKey, pairs: &[(&'static str, &'static str)]) -> [u8; FINGERPRINT_BYTES] {
        key.fingerprint(&pairs.iter().map(|(name, value)| (*name, value.as_bytes())).collect())
    }

    #[test]
    fn a_fingerprint_tells_values_names_and_roots_apart_whatever_the_order() {
        let base = of(&key(7), &[("a", "bc"), ("d", "")]);
        assert_eq!(base, of(&key(7), &[("d", ""), ("a", "bc")]));
        for (root, pairs) in [
            (8, [("a", "bc"), ("d", "")].as_slice()),
            (7, &[("a", "bd"), ("d", "")]),
            (7, &[("ab", "c"), ("d", "")]),
            (7, &[("a", "bcd"), ("", "")]),
            (7, &[("a", "bc")]),
            (7, &[]),
        ] {
            assert_ne!(base, of(&key(root), pairs), "{pairs:?}");
        }
    }
}
