//! The protocols: of the agent ([`v1`]), between it and its node agents ([`node`]), and of the driver that mounts volumes ([`provider`]).
//! Generated messages, and their conversion to and from the domain.
//!
//! Nothing outside this crate reads a field of a message that carries an id, a revision or a digest: [`convert`] parses them once.

pub mod convert;
pub mod redact;

/// Generated from `proto/lockstep/agent/v1/agent.proto`; `tests/generated.rs` keeps it current.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, reason = "generated")]
pub mod v1 {
    include!("gen/lockstep.agent.v1.rs");
}

/// Generated from `proto/lockstep/node/v1/node.proto`.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, reason = "generated")]
pub mod node {
    include!("gen/lockstep.node.v1.rs");
}

/// Generated from `proto/secrets_store/v1alpha1/provider.proto`.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, reason = "generated")]
pub mod provider {
    include!("gen/v1alpha1.rs");
}

/// The most bytes one message may have: the largest content (1 MiB) with room for its names, or an inventory of about 40,000
/// bindings.
pub const MESSAGE_MAX_BYTES: usize = 4 << 20;

/// Metadata of a status that refuses a stream: why, in a word that a program can act on.
pub const REFUSAL: &str = "lockstep-refusal";
/// Of [`REFUSAL`]: the cluster is revoked.
pub const REVOKED: &str = "revoked";

/// What an agent signs to renew with an expired certificate, before the nonce.
pub const RENEW_CONTEXT: &[u8] = b"lockstep renew v1 ";
