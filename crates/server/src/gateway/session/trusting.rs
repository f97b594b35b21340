//! Which roots the agent trusts, and under which its certificate is: it is told of new ones over its stream, long before it needs them, and the
//! registry is told what it keeps, so that an operator sees whom a rotation of the CA would leave behind.

use std::time::Duration;

use futures::FutureExt as _;
use lockstep_proto::v1::{self, server_message};
use lockstep_store::{pool, trust};

use super::{RELOAD_LIMIT, Session};
use crate::authority::{KeyHash, Trust, certificate_key_hash};

/// The most roots that are believed of an agent, and the size of each: a SHA-256.
const ROOTS_MAX: usize = 64;
const KEY_BYTES: usize = 32;

/// What is known of an agent's trust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::gateway) struct Trusts {
    /// The root of its certificate; `None`: it cannot be told.
    pub(in crate::gateway) root: Option<KeyHash>,
    /// The keys of the roots that it trusts. Empty: it does not say.
    pub(in crate::gateway) roots: Vec<KeyHash>,
}

/// A certificate that was sent to the agent, and that it has not said to keep yet.
pub(super) struct Sent {
    key: KeyHash,
    root: Option<KeyHash>,
}

impl Trusts {
    /// What the agent is to be told, if anything. One that does not say what it trusts would not understand.
    fn wants(&self, trust: &Trust, spread: Duration) -> Option<v1::Trust> {
        if self.roots.is_empty() {
            return None;
        }
        let mut known = self.roots.clone();
        known.sort();
        // Where its root cannot be told, nor can it be told that it is another.
        let is_former = matches!((&self.root, trust.signer()), (Some(root), Some(signer)) if root != signer);
        if known == trust.keys() && !is_former {
            return None;
        }
        let spread_ms = u32::try_from(spread.as_millis()).unwrap_or(u32::MAX).max(1);
        Some(v1::Trust { roots_der: trust.ders(), renew_within_ms: if is_former { spread_ms } else { 0 } })
    }
}

impl Session {
    /// Tells the agent what it lacks.
    pub(super) fn tell_trust(&mut self) {
        let trust = self.trust.borrow_and_update().clone();
        let spread = Duration::from_secs(u64::from(self.gateway.app.config.agents.rotation_spread_seconds));
        if let Some(message) = self.admitted.trusts.wants(&trust, spread) {
            self.say(server_message::Message::Trust(message));
        }
    }

    /// Remembers a certificate on its way to the agent.
    pub(super) fn remember_sent(&mut self, message: &server_message::Message) {
        let server_message::Message::Certificate(certificate) = message else { return };
        let key = certificate.chain_der.first().and_then(|leaf| certificate_key_hash(leaf).ok());
        let root = self.gateway.app.authority.root_of(&certificate.chain_der);
        self.sent = key.map(|key| Sent { key, root });
    }

    /// The agent says what it keeps.
    pub(super) fn trusts(&mut self, said: v1::Trusting) {
        if said.roots.len() > ROOTS_MAX || said.roots.iter().any(|key| key.len() != KEY_BYTES) {
            tracing::warn!(cluster = %self.admitted.name, "an agent names roots that are none");
            return;
        }
        if let Some(sent) = self.sent.take_if(|sent| sent.key == said.public_key) {
            self.admitted.trusts.root = sent.root;
        }
        self.admitted.trusts.roots = said.roots;
        self.note_trusts();
    }

    /// Tells the registry, if it was not told; one at a time, and again after a failure.
    pub(super) fn note_trusts(&mut self) {
        let now = self.admitted.trusts.clone();
        if self.trusts_noted.as_ref() == Some(&now) || !self.noting_trusts.is_empty() {
            return;
        }
        let (pool, instance) = (self.gateway.app.pool.clone(), self.admitted.identity.instance);
        let note = async move {
            let mut connection = pool::acquire(&pool).await?;
            let roots = Some(now.roots.as_slice()).filter(|roots| !roots.is_empty());
            trust::note_agent(&mut connection, instance, now.root.as_deref(), roots).await?;
            Ok(now)
        };
        self.noting_trusts.push(pool::within(RELOAD_LIMIT, note).boxed());
    }
}

#[cfg(test)]
mod tests;
