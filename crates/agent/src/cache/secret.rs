//! The content of a Secret target, as an entry: what the ledger does not have of it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use lockstep_core::digest::{Digest, DigestKeyId};
use lockstep_core::material::Material;
use lockstep_core::render::Rendered;
use lockstep_proto::node::{CacheEntry, CacheKey};
use prost::Message as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Opened, encode};
use crate::delivery::Put;

/// What a delivery to a Secret target had.
#[derive(Debug)]
pub(crate) struct KeptSecret {
    /// When the binding was registered, where the server said it: it is in the mark.
    pub(crate) registered: Option<DateTime<Utc>>,
    pub(crate) digest: Digest,
    pub(crate) content: Arc<Rendered>,
}

impl KeptSecret {
    /// Of a delivery.
    pub(crate) fn of(put: &Put) -> Self {
        Self { registered: put.registered, digest: put.digest.clone(), content: put.content.clone() }
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let key = |(name, value): (&str, &Material)| CacheKey {
            name: name.to_owned(),
            version: String::new(),
            value: value.expose().to_vec(),
        };
        encode(CacheEntry {
            digest_key: self.digest.key.as_str().to_owned(),
            digest: self.digest.hmac.to_vec(),
            keys: self.content.iter().map(key).collect(),
            secret: true,
            registered_us: self.registered.map_or(0, |at| at.timestamp_micros()),
            ..CacheEntry::default()
        })
    }

    /// `None`: it is none. No error says more, because it could quote what it saw.
    pub(crate) fn decode(opened: &Opened) -> Option<Self> {
        let mut message = CacheEntry::decode(opened.plain.as_slice()).ok()?;
        if !message.secret {
            message.keys.iter_mut().for_each(|key| key.value.zeroize());
            return None;
        }
        let content = Rendered::of(message.keys.into_iter().map(|key| (key.name, Material::new(key.value)))).ok()?;
        let digest = Digest { key: DigestKeyId::new(message.digest_key), hmac: message.digest.try_into().ok()? };
        let registered = Some(message.registered_us).filter(|us| *us != 0).and_then(DateTime::from_timestamp_micros);
        Some(Self { registered, digest, content: Arc::new(content) })
    }
}
