//! Which roots to trust: the server says so long before they are needed, and what is kept is said back.

use std::time::Duration;

use lockstep_proto::v1::agent_message::Message;
use lockstep_proto::v1::{AgentMessage, Trust, Trusting};
use tokio::sync::mpsc;

use super::message::from_agent;
use crate::agent::Agent;
use crate::certificate::{facts, key_hash};
use crate::state::identity::{Identity, trust};

/// The keys of the roots that are trusted.
pub(super) fn roots(identity: &Identity) -> Vec<Vec<u8>> {
    identity.roots.iter().filter_map(|der| facts(der).ok()).map(|facts| key_hash(&facts.public_key)).collect()
}

/// Keeps them, and says so. What is of no use changes nothing: with no root, no server would ever be believed again.
pub(super) async fn take(agent: &Agent, message: Trust, out: &mpsc::Sender<AgentMessage>) {
    let current = agent.identity();
    let known = current.roots.iter().map(AsRef::<[u8]>::as_ref);
    if !known.eq(message.roots_der.iter().map(Vec::as_slice)) {
        match trust(&agent.state, &current, message.roots_der).await {
            Ok(identity) => {
                tracing::info!(roots = identity.roots.len(), before = current.roots.len(), "trusting other roots");
                agent.set_identity(identity);
            }
            Err(error) => return tracing::error!(%error, "cannot trust the server's roots; those known are kept"),
        }
    }
    if message.renew_within_ms > 0 {
        let within = Duration::from_millis(message.renew_within_ms.into());
        agent.renew_after(within.mul_f64(agent.surroundings.renewal_jitter.clamp(0.0, 1.0)));
    }
    say(agent, out).await;
}

/// Says what is kept.
pub(super) async fn say(agent: &Agent, out: &mpsc::Sender<AgentMessage>) {
    let identity = agent.identity();
    let trusting = Trusting { roots: roots(&identity), public_key: key_hash(&identity.leaf.public_key) };
    let _ = out.send(from_agent(Message::Trusting(trusting))).await;
}
