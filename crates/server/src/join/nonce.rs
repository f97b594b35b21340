//! Nonces for renewing expired certificates. Stateless, because the answer may reach another replica: a time, random bytes, and an HMAC
//! over both and the certificate, with a key that all replicas derive.

use aws_lc_rs::{hmac, rand};
use chrono::{DateTime, TimeDelta, Utc};
use lockstep_core::digest::RootKey;
use uuid::Uuid;

/// How long a nonce is good.
const LIFE: TimeDelta = TimeDelta::seconds(60);
/// How far the clock of the replica that made it may be ahead of the one that is shown it.
const SKEW: TimeDelta = TimeDelta::seconds(10);
const TIME_BYTES: usize = 8;
const RANDOM_BYTES: usize = 16;

/// No cluster has the nil id, so no agent ever holds this key.
fn key(digests: &RootKey) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, digests.for_cluster(Uuid::nil().into()).expose())
}

fn signed(open: &[u8], certificate: &[u8]) -> Vec<u8> {
    [b"lockstep nonce v1".as_slice(), open, certificate].concat()
}

/// A fresh nonce for this certificate; `None` if the system gives no random bytes.
pub(super) fn make(digests: &RootKey, certificate: &[u8], now: DateTime<Utc>) -> Option<Vec<u8>> {
    let mut open = now.timestamp().to_be_bytes().to_vec();
    open.resize(TIME_BYTES + RANDOM_BYTES, 0);
    rand::fill(&mut open[TIME_BYTES..]).ok()?;
    let tag = hmac::sign(&key(digests), &signed(&open, certificate));
    open.extend_from_slice(tag.as_ref());
    Some(open)
}

/// Whether we made this nonce for this certificate, and not too long ago.
pub(super) fn is_good(digests: &RootKey, certificate: &[u8], nonce: &[u8], now: DateTime<Utc>) -> bool {
    let Some((open, tag)) = nonce.split_at_checked(TIME_BYTES + RANDOM_BYTES) else { return false };
    if hmac::verify(&key(digests), &signed(open, certificate), tag).is_err() {
        return false;
    }
    let Ok(made) = open[..TIME_BYTES].try_into().map(i64::from_be_bytes) else { return false };
    let age = now.timestamp() - made;
    (-SKEW.num_seconds()..=LIFE.num_seconds()).contains(&age)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_core::digest::DigestKeyId;

    #[test]
    fn a_nonce_is_good_once_made_for_this_certificate_and_for_a_minute() {
        let root = RootKey::new(DigestKeyId::new("a".into()), [7; 32]);
        let other = RootKey::new(DigestKeyId::new("a".into()), [8; 32]);
        let at = |s: i64| DateTime::UNIX_EPOCH + TimeDelta::seconds(1_000_000 + s);
        let nonce = make(&root, b"certificate", at(0)).unwrap();
        assert!(is_good(&root, b"certificate", &nonce, at(0)) && is_good(&root, b"certificate", &nonce, at(60)));
        assert!(!is_good(&root, b"certificate", &nonce, at(61)));
        assert!(is_good(&root, b"certificate", &nonce, at(-10)), "another replica's clock is behind");
        assert!(!is_good(&root, b"certificate", &nonce, at(-11)));
        assert!(!is_good(&root, b"another", &nonce, at(0)));
        assert!(!is_good(&other, b"certificate", &nonce, at(0)));
        assert!(!is_good(&root, b"certificate", &nonce[..20], at(0)));
    }
}
