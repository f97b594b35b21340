//! Marks: what a sink leaves on what it made. Who cannot make the HMAC cannot make a thing look like ours.

use aws_lc_rs::hmac;
use lockstep_core::digest::{ClusterKey, DIGEST_BYTES};

use super::{Owner, SinkError, Stamp};
use crate::state::keyring::Keys;

/// The HMAC of a mark.
pub(crate) type Seal = [u8; DIGEST_BYTES];

/// What a mark vouches for: all of it goes into the HMAC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vouched<'a> {
    /// Sets the marks of one sink apart from those of others, and from every digest of content made with the same key.
    pub(crate) context: &'static str,
    pub(crate) owner: Owner,
    /// A mark copied to another place is not valid there.
    pub(crate) place: &'a str,
    pub(crate) stamp: &'a Stamp,
    /// What else the sink's mark says, so encoded that no two of them read the same.
    pub(crate) rest: &'a [u8],
}

impl Vouched<'_> {
    /// The HMAC, made with the key that the digest was made with.
    pub(crate) fn seal(&self, keys: &Keys) -> Result<Seal, SinkError> {
        let id = &self.stamp.digest.key;
        let key = keys.get(id).ok_or_else(|| SinkError::UnknownKey(id.as_str().to_owned()))?;
        let mut seal = [0; DIGEST_BYTES];
        seal.copy_from_slice(hmac::sign(&hmac_key(key), &self.message()).as_ref());
        Ok(seal)
    }

    /// Whether `seal` was made for just this, with a key that is ours.
    pub(crate) fn is_sealed(&self, seal: &Seal, keys: &Keys) -> bool {
        let valid = |key| hmac::verify(&hmac_key(key), &self.message(), seal).is_ok();
        keys.get(&self.stamp.digest.key).is_some_and(valid)
    }

    fn message(&self) -> Vec<u8> {
        let Stamp { revision, digest } = self.stamp;
        let mut message = self.context.as_bytes().to_vec();
        message.extend_from_slice(self.owner.registry.uuid().as_bytes());
        message.extend_from_slice(self.owner.binding.uuid().as_bytes());
        message.extend_from_slice(&revision.epoch.get().to_be_bytes());
        message.extend_from_slice(&revision.seq.get().to_be_bytes());
        for text in [self.place, digest.key.as_str()] {
            extend_with_text(&mut message, text);
        }
        message.extend_from_slice(&digest.hmac);
        message.extend_from_slice(self.rest);
        message
    }
}

/// Appends a text with its length, so that two of them cannot run together.
pub(crate) fn extend_with_text(message: &mut Vec<u8>, text: &str) {
    message.extend_from_slice(&(text.len() as u64).to_be_bytes());
    message.extend_from_slice(text.as_bytes());
}

fn hmac_key(key: &ClusterKey) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.expose())
}
