//! Between messages and the domain. Messages come from the other side of a link, so every field is checked here, once.

mod restart;
mod selector;
mod target;

use lockstep_core::digest::{DIGEST_BYTES, Digest, DigestKeyId};
use lockstep_core::history::{ChangeHash, Mark};
use lockstep_core::id::{BindingId, ClusterId, RegistryId};
use lockstep_core::material::Material;
use lockstep_core::plan::Reported;
use lockstep_core::render::{RenderError, Rendered};
use lockstep_core::revision::{Epoch, Revision, Seq};
use lockstep_core::trace::TraceId;
use thiserror::Error;
use uuid::Uuid;

use crate::v1;

pub use restart::{restart, restart_message, restart_report, restart_report_message};
pub use target::{allowed_namespaces, csi_sources, target_message};

/// A message that breaks the protocol.
#[derive(Debug, Error)]
pub enum ProtocolError {
    /// A field that must be there is not.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// An id, hash or digest of another length.
    #[error("field {field} has {got} bytes instead of {want}")]
    Length {
        /// Which field.
        field: &'static str,
        /// How many bytes it has.
        got: usize,
        /// How many it must have.
        want: usize,
    },
    /// A name that breaks its rules.
    #[error("field {0} is not a valid name")]
    Name(&'static str),
    /// A word that is not known, or something else that breaks its rules.
    #[error("field {field} cannot be used: {why}")]
    Value {
        /// Which field.
        field: &'static str,
        /// What is wrong with it. These fields hold no material.
        why: String,
    },
    /// Content that breaks its rules.
    #[error(transparent)]
    Content(#[from] RenderError),
}

/// Names the field of a value that breaks its rules.
fn wrong<E: std::fmt::Display>(field: &'static str) -> impl Fn(E) -> ProtocolError {
    move |why| ProtocolError::Value { field, why: why.to_string() }
}

fn array<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], ProtocolError> {
    bytes.try_into().map_err(|_| ProtocolError::Length { field, got: bytes.len(), want: N })
}

/// A binding's id.
pub fn binding_id(bytes: &[u8]) -> Result<BindingId, ProtocolError> {
    array("binding", bytes).map(|b| Uuid::from_bytes(b).into())
}

/// A cluster's id.
pub fn cluster_id(bytes: &[u8]) -> Result<ClusterId, ProtocolError> {
    array("cluster", bytes).map(|b| Uuid::from_bytes(b).into())
}

/// A registry's id.
pub fn registry_id(bytes: &[u8]) -> Result<RegistryId, ProtocolError> {
    array("registry", bytes).map(|b| Uuid::from_bytes(b).into())
}

/// A trace id; absent (empty) in messages of agents that do not know traces.
pub fn trace_id(bytes: &[u8]) -> Result<Option<TraceId>, ProtocolError> {
    if bytes.is_empty() { Ok(None) } else { array("trace", bytes).map(|b| Some(TraceId::new(b))) }
}

/// A revision, which must be there.
pub fn revision(message: Option<v1::Revision>) -> Result<Revision, ProtocolError> {
    message.map(Revision::from).ok_or(ProtocolError::Missing("revision"))
}

impl From<v1::Revision> for Revision {
    fn from(message: v1::Revision) -> Self {
        Self { epoch: Epoch::new(message.epoch), seq: Seq::new(message.seq) }
    }
}

impl From<Revision> for v1::Revision {
    fn from(revision: Revision) -> Self {
        Self { epoch: revision.epoch.get(), seq: revision.seq.get() }
    }
}

impl TryFrom<v1::Mark> for Mark {
    type Error = ProtocolError;
    fn try_from(message: v1::Mark) -> Result<Self, ProtocolError> {
        let hash = ChangeHash::new(array("hash", &message.hash)?);
        Ok(Self { epoch: Epoch::new(message.epoch), seq: Seq::new(message.seq), hash })
    }
}

impl From<Mark> for v1::Mark {
    fn from(mark: Mark) -> Self {
        Self { epoch: mark.epoch.get(), seq: mark.seq.get(), hash: mark.hash.bytes().to_vec() }
    }
}

impl TryFrom<v1::Digest> for Digest {
    type Error = ProtocolError;
    fn try_from(message: v1::Digest) -> Result<Self, ProtocolError> {
        Ok(Self { key: DigestKeyId::new(message.key), hmac: array::<DIGEST_BYTES>("hmac", &message.hmac)? })
    }
}

impl From<Digest> for v1::Digest {
    fn from(digest: Digest) -> Self {
        Self { key: digest.key.as_str().to_owned(), hmac: digest.hmac.to_vec() }
    }
}

/// One entry of an inventory.
pub fn held(message: v1::Held) -> Result<(BindingId, Reported), ProtocolError> {
    let digest = message.digest.map(Digest::try_from).transpose()?;
    Ok((binding_id(&message.binding)?, Reported { revision: revision(message.revision)?, digest }))
}

/// The other way.
pub fn held_message(binding: BindingId, reported: Reported) -> v1::Held {
    v1::Held {
        binding: binding.uuid().as_bytes().to_vec(),
        revision: Some(reported.revision.into()),
        digest: reported.digest.map(Into::into),
    }
}

/// Content as it arrives at an agent.
pub fn content(entries: Vec<v1::Entry>) -> Result<Rendered, ProtocolError> {
    if entries.iter().any(|e| !lockstep_core::render::is_content_key(&e.key)) {
        return Err(ProtocolError::Name("content.key"));
    }
    Ok(Rendered::of(entries.into_iter().map(|e| (e.key, Material::new(e.value))))?)
}

/// Content as it is sent. The copy lives until the message is written to the link.
pub fn entries(content: &Rendered) -> Vec<v1::Entry> {
    content.iter().map(|(k, v)| v1::Entry { key: k.to_owned(), value: v.expose().to_vec() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_arrives() {
        let mark = Mark { epoch: Epoch::new(2), seq: Seq::new(7), hash: ChangeHash::new([3; 32]) };
        assert_eq!(Mark::try_from(v1::Mark::from(mark)).unwrap(), mark);
        let digest = Digest { key: DigestKeyId::new("k".into()), hmac: [5; 32] };
        let reported = Reported { revision: Revision { epoch: Epoch::new(1), seq: Seq::new(9) }, digest: Some(digest) };
        let id: BindingId = Uuid::from_u128(4).into();
        assert_eq!(held(held_message(id, reported.clone())).unwrap(), (id, reported));
    }

    #[test]
    fn what_breaks_the_protocol_is_refused() {
        assert!(binding_id(&[1; 15]).is_err());
        assert!(Mark::try_from(v1::Mark { hash: vec![1; 31], ..v1::Mark::default() }).is_err());
        assert!(content(vec![v1::Entry { key: "../x".into(), value: Vec::new() }]).is_err());
    }
}
