//! The keys that entries are sealed with: the first seals, all of them open, so that they can be exchanged.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::CacheError;

/// Bytes of a key: AES-256-GCM.
const KEY_BYTES: usize = 32;
/// The most keys there may be.
const KEYS_MAX: usize = 8;
/// Bytes of a key's id.
pub(super) const ID_BYTES: usize = 8;

/// The keys of a cache.
#[derive(Debug)]
pub(crate) struct CacheKeys(Vec<CacheKey>);

struct CacheKey {
    id: [u8; ID_BYTES],
    key: RandomizedNonceKey,
}

impl std::fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CacheKey({})", hex::encode(self.id))
    }
}

impl CacheKeys {
    /// From a text with a key in each line: 32 bytes as base64, as `openssl rand -base64 32` prints them. The first one seals.
    pub(crate) fn parse(text: &str) -> Result<Self, CacheError> {
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() || lines.len() > KEYS_MAX {
            return Err(CacheError::Keys(format!("it has {} keys: one is needed, and {KEYS_MAX} are the most", lines.len())));
        }
        lines.into_iter().enumerate().map(|(i, line)| one(i, line)).collect::<Result<_, _>>().map(Self)
    }

    /// From a file.
    pub(crate) fn read(path: &Path) -> Result<Self, CacheError> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(|e| CacheError::Keys(format!("{} cannot be read: {e}", path.display())))?;
        Self::parse(&text)
    }

    /// The text of a new key.
    pub(crate) fn generate() -> Zeroizing<String> {
        let key: Zeroizing<[u8; KEY_BYTES]> = Zeroizing::new(rand::random());
        Zeroizing::new(STANDARD.encode(*key) + "\n")
    }

    /// The id of the key that seals.
    pub(super) fn sealing_id(&self) -> [u8; ID_BYTES] {
        self.0[0].id
    }

    /// Seals `bytes` in place, and answers with the nonce.
    pub(super) fn seal(&self, known: &[u8], bytes: &mut Vec<u8>) -> Result<[u8; NONCE_LEN], CacheError> {
        let nonce = self.0[0].key.seal_in_place_append_tag(Aad::from(known), bytes).map_err(|_| CacheError::Seal)?;
        Ok(*nonce.as_ref())
    }

    /// Opens `sealed` in place, with the key of that id.
    pub(super) fn open<'a>(
        &self,
        id: [u8; ID_BYTES],
        nonce: [u8; NONCE_LEN],
        known: &[u8],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], CacheError> {
        let key = self.0.iter().find(|key| key.id == id).ok_or_else(|| CacheError::UnknownKey(hex::encode(id)))?;
        key.key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(known), sealed).map_err(|_| CacheError::Altered)
    }
}

fn one(i: usize, line: &str) -> Result<CacheKey, CacheError> {
    let wrong =
        || CacheError::Keys(format!("line {} is not 32 bytes as base64: write one with `openssl rand -base64 32`", i + 1));
    let bytes = Zeroizing::new(STANDARD.decode(line).map_err(|_| wrong())?);
    if bytes.len() != KEY_BYTES {
        return Err(wrong());
    }
    let mut id = [0; ID_BYTES];
    let named = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), b"lockstep cache key id v1");
    id.copy_from_slice(&named.as_ref()[..ID_BYTES]);
    let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| wrong())?;
    Ok(CacheKey { id, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_keys_is_taken_or_refused_without_showing_it() {
        let (one, two) = (CacheKeys::generate(), CacheKeys::generate());
        let both = CacheKeys::parse(&format!("{}\n{}", *one, *two)).unwrap();
        assert_eq!(both.sealing_id(), CacheKeys::parse(&one).unwrap().sealing_id());
        for (text, part) in [("", "one is needed"), ("canary", "line 1"), (&*(one.repeat(9)), "8 are the most")] {
            let error = CacheKeys::parse(text).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("canary"), "{error}");
        }
        assert!(CacheKeys::parse(&format!("{}Y2FuYXJ5", *one)).unwrap_err().to_string().contains("line 2"));
        assert!(!format!("{both:?}").contains(one.trim()));
    }
}
