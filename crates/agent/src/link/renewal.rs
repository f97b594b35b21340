//! Renewing the certificate over the stream.

use std::time::Duration;

use lockstep_proto::v1::agent_message::Message;
use lockstep_proto::v1::{AgentMessage, Certificate, CertificateRequest};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::message::from_agent;
use super::trusting;
use crate::agent::Agent;
use crate::certificate::{renew_at, should_renew};
use crate::join::JoinError;
use crate::state::identity::{IssueError, Issued, adopt, next_key};

/// The clock is looked at no less often than this: it may be set.
const LOOK_INTERVAL_MAX: Duration = Duration::from_mins(1);
/// How long an answer is waited for, and how long a refusal is respected, before asking again.
const REQUEST_INTERVAL: Duration = Duration::from_mins(5);

/// Asks for a certificate when it is time; ends with the link.
pub(super) async fn run(agent: &Agent, out: mpsc::Sender<AgentMessage>) {
    let mut wanted = agent.renewal_wanted();
    loop {
        let leaf = agent.identity().leaf.clone();
        let (now, jitter) = (agent.surroundings.clock.now(), agent.surroundings.renewal_jitter);
        let asked = *wanted.borrow_and_update();
        let is_asked = asked.is_some_and(|at| at <= Instant::now());
        if !is_asked && !should_renew(now, leaf.not_before, leaf.not_after, jitter) {
            let left = (renew_at(leaf.not_before, leaf.not_after, jitter) - now).to_std().unwrap_or_default();
            let left = asked.map_or(left, |at| left.min(at.saturating_duration_since(Instant::now())));
            tokio::select! {
                () = tokio::time::sleep(left.min(LOOK_INTERVAL_MAX)) => {}
                _ = wanted.changed() => {}
            }
            continue;
        }
        match request(agent).await {
            Ok(request) => {
                tracing::info!(not_after = %leaf.not_after, "asking for a new certificate");
                if out.send(from_agent(Message::CertificateRequest(request))).await.is_err() {
                    return;
                }
            }
            Err(error) => tracing::error!(%error, "cannot ask for a new certificate"),
        }
        tokio::time::sleep(REQUEST_INTERVAL).await;
    }
}

async fn request(agent: &Agent) -> Result<CertificateRequest, JoinError> {
    let key = next_key(&agent.state, Some(&agent.identity())).await?;
    Ok(CertificateRequest { csr_der: key.certificate_request()? })
}

/// Takes the server's answer. The link keeps its stream; the next connection shows the new certificate.
pub(super) async fn take(agent: &Agent, answer: Certificate, out: &mpsc::Sender<AgentMessage>) {
    if !answer.refused.is_empty() {
        tracing::error!(cause = answer.refused, "the server refused to renew the certificate");
        return;
    }
    match adopted(agent, answer).await {
        Ok(()) => {
            agent.renewed();
            tracing::info!(not_after = %agent.identity().leaf.not_after, "renewed the certificate");
            trusting::say(agent, out).await;
        }
        Err(error) => tracing::error!(%error, "cannot use the new certificate; the present one is kept"),
    }
}

async fn adopted(agent: &Agent, answer: Certificate) -> Result<(), IssueError> {
    let current = agent.identity();
    let key = next_key(&agent.state, Some(&current)).await?;
    let issued = Issued {
        chain: answer.chain_der,
        roots: answer.roots_der,
        cluster: current.cluster,
        cluster_name: current.cluster_name.clone(),
    };
    agent.set_identity(adopt(&agent.state, key, issued).await?);
    Ok(())
}
