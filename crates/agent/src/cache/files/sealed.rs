//! A sealed entry: AES-256-GCM over its bytes, with the cluster, the binding and the revision as associated data.
//!
//! ```text
//! "LOCKSTP1" | id of the key, 8 | binding, 16 | epoch, 8 | seq, 8 | nonce, 12 | ciphertext and tag
//! ```
//!
//! All before the nonce is associated data, and so is the cluster's id, which is not in it: what was sealed in another cluster does not
//! open, nor does one binding's entry under another's name, nor an older revision's under a newer one's.

use aws_lc_rs::aead::NONCE_LEN;
use chrono::{DateTime, Utc};
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::revision::{Epoch, Revision, Seq};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::CacheError;
use super::keys::{CacheKeys, ID_BYTES};

const MAGIC: &[u8; 8] = b"LOCKSTP1";
const HEADER_BYTES: usize = MAGIC.len() + ID_BYTES + 16 + 8 + 8;

/// What is outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) binding: BindingId,
    pub(super) revision: Revision,
}

impl Label {
    /// If it is not of an entry: when a server was there.
    pub(super) fn confirmed(self) -> Option<DateTime<Utc>> {
        let seconds = i64::try_from(self.revision.seq.get()).ok().filter(|_| self.binding.uuid().is_nil())?;
        DateTime::from_timestamp(seconds, 0)
    }
}

/// Seals `plain`, which is wiped.
pub(super) fn seal(keys: &CacheKeys, cluster: ClusterId, label: Label, plain: &[u8]) -> Result<Vec<u8>, CacheError> {
    let header = header(keys.sealing_id(), label);
    let mut bytes = plain.to_vec();
    let nonce = keys.seal(&known(&header, cluster), &mut bytes)?;
    Ok([&header[..], &nonce, &bytes].concat())
}

/// What is outside of a sealed entry, as far as it says: nobody vouches for it yet.
pub(super) fn label(sealed: &[u8]) -> Result<Label, CacheError> {
    let (header, _) = sealed.split_at_checked(HEADER_BYTES).ok_or(CacheError::Altered)?;
    let rest = header.strip_prefix(MAGIC).ok_or(CacheError::Altered)?;
    let number = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| rest[at + i]));
    let binding = Uuid::from_bytes(std::array::from_fn(|i| rest[ID_BYTES + i])).into();
    let revision = Revision { epoch: Epoch::new(number(ID_BYTES + 16)), seq: Seq::new(number(ID_BYTES + 24)) };
    Ok(Label { binding, revision })
}

/// The same, sealed with the first key, if another one sealed it; so that the other can be dropped. It is as it was otherwise, also what only a newer
/// agent knows of it.
pub(super) fn exchange(keys: &CacheKeys, cluster: ClusterId, sealed: &[u8]) -> Result<Option<Vec<u8>>, CacheError> {
    label(sealed)?;
    if sealed[MAGIC.len()..][..ID_BYTES] == keys.sealing_id() {
        return Ok(None);
    }
    let (label, plain) = open(keys, cluster, sealed)?;
    seal(keys, cluster, label, &plain).map(Some)
}

/// Opens what was sealed for this cluster.
pub(super) fn open(keys: &CacheKeys, cluster: ClusterId, sealed: &[u8]) -> Result<(Label, Zeroizing<Vec<u8>>), CacheError> {
    let label = label(sealed)?;
    let (header, rest) = sealed.split_at(HEADER_BYTES);
    let (nonce, bytes) = rest.split_at_checked(NONCE_LEN).ok_or(CacheError::Altered)?;
    let id = std::array::from_fn(|i| header[MAGIC.len() + i]);
    let nonce = std::array::from_fn(|i| nonce[i]);
    let mut plain = Zeroizing::new(bytes.to_vec());
    let length = keys.open(id, nonce, &known(header, cluster), &mut plain)?.len();
    plain.truncate(length);
    Ok((label, plain))
}

fn header(key: [u8; ID_BYTES], Label { binding, revision }: Label) -> Vec<u8> {
    let (epoch, seq) = (revision.epoch.get().to_be_bytes(), revision.seq.get().to_be_bytes());
    [&MAGIC[..], &key, binding.uuid().as_bytes(), &epoch, &seq].concat()
}

fn known(header: &[u8], cluster: ClusterId) -> Vec<u8> {
    [header, cluster.uuid().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: u128) -> (ClusterId, Label) {
        let revision = Revision { epoch: Epoch::new(1), seq: Seq::new(7) };
        (Uuid::from_u128(number).into(), Label { binding: Uuid::from_u128(number + 1).into(), revision })
    }

    #[test]
    fn what_was_sealed_opens_in_its_cluster_only_and_with_a_key_that_is_known() {
        let (first, second) = (CacheKeys::generate(), CacheKeys::generate());
        let keys = CacheKeys::parse(&first).unwrap();
        let (cluster, label) = of(1);
        let sealed = seal(&keys, cluster, label, b"canary").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"canary"));
        let (found, plain) = open(&keys, cluster, &sealed).unwrap();
        assert_eq!((found, plain.as_slice()), (label, &b"canary"[..]));
        assert!(matches!(open(&keys, of(2).0, &sealed), Err(CacheError::Altered)));
        let exchanged = CacheKeys::parse(&format!("{}{}", *second, *first)).unwrap();
        assert_eq!(open(&exchanged, cluster, &sealed).unwrap().1.as_slice(), b"canary");
        let other = CacheKeys::parse(&second).unwrap();
        assert!(matches!(open(&other, cluster, &sealed), Err(CacheError::UnknownKey(_))));
    }

    #[test]
    fn no_bit_of_it_can_be_another() {
        let keys = CacheKeys::parse(&CacheKeys::generate()).unwrap();
        let (cluster, label) = of(1);
        let sealed = seal(&keys, cluster, label, b"content").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&keys, cluster, &altered).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(open(&keys, cluster, &sealed[..length]).is_err(), "{length} bytes");
        }
    }
}
