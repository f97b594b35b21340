//! The link: dials servers in turn, forever, and keeps one stream.

mod message;
mod renewal;
mod restarting;
mod session;
mod trusting;
mod verification;
mod welcome;
mod work;

use std::sync::Arc;
use std::time::Duration;

use lockstep_proto::convert::ProtocolError;
use lockstep_proto::{REFUSAL, REVOKED};
use rand::seq::SliceRandom;
use thiserror::Error;
use tonic::Status;

use crate::address::ServerAddress;
use crate::agent::{Agent, AgentError};
use crate::backoff::{BACKOFF_MAX, Backoff};
use crate::connect::ConnectError;
use crate::holdings::WelcomeError;
use crate::join;
use session::Session;

/// Its loop, in metrics and in `/healthz`.
const LOOP: &str = "link";
/// How long one server may take to be dialled and greeted: with a great many Secrets, each is looked at before.
const OPEN_LIMIT: Duration = Duration::from_mins(15);

/// Why a stream could not be had, or ended otherwise than by agreement.
#[derive(Debug, Error)]
pub(crate) enum LinkError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server does not believe our certificate: it is of a root that was withdrawn.
    #[error("the server refuses this agent's certificate: its root is trusted there no more")]
    Certificate,
    /// The server ended the stream with an error.
    #[error("the server ended the link: {} ({:?})", .0.message(), .0.code())]
    Status(Box<Status>),
    /// The server ended the stream.
    #[error("the server ended the link")]
    Closed,
    /// Nothing was heard for too long.
    #[error("nothing was heard from the server for {0:?}")]
    Silent(Duration),
    /// The server said so instead of a greeting.
    #[error("the cluster was revoked: {0}")]
    Revoked(String),
    /// The first message was not a greeting.
    #[error("the server did not greet")]
    NoWelcome,
    /// The greeting is not for this agent.
    #[error(transparent)]
    Welcome(#[from] WelcomeError),
    /// The server breaks the protocol.
    #[error("the server breaks the protocol: {0}")]
    Protocol(#[from] ProtocolError),
}

impl LinkError {
    /// Whether a server says that the cluster is revoked. It is dialled again all the same: somebody may ask for a purge.
    fn is_revoked(&self) -> bool {
        matches!(self, Self::Status(status) if status.metadata().get(REFUSAL).is_some_and(|word| word == REVOKED))
    }
}

/// How a stream ended by agreement.
#[derive(Debug)]
pub(crate) enum End {
    /// The server goes away.
    Drained(String),
    /// The cluster was revoked.
    Revoked(String),
    /// This agent was asked to end.
    Stopped,
}

/// Keeps the link until the agent is asked to end, or is revoked. What is held stays whatever happens here.
pub(crate) async fn run(agent: &Agent) -> Result<(), AgentError> {
    let mut backoff = Backoff::default();
    let (mut drained, mut refused) = (None, false);
    while !agent.surroundings.stop.is_cancelled() {
        agent.surroundings.metrics.loops.begin(LOOP, BACKOFF_MAX, OPEN_LIMIT);
        if let Some(why) = is_useless(agent) {
            renew_useless(agent, &why, &mut backoff).await?;
            continue;
        }
        if std::mem::take(&mut refused) {
            renew_refused(agent).await;
        }
        for server in order(&agent.arguments.servers, drained.take().as_ref()) {
            let connected = tokio::select! {
                session = Session::open(agent, &server) => session,
                () = agent.surroundings.stop.cancelled() => return Ok(()),
            };
            agent.surroundings.metrics.loops.turned(LOOP);
            let session = match connected {
                Ok(session) => session,
                Err(LinkError::Revoked(reason)) => return Err(AgentError::Revoked(reason)),
                Err(error) => {
                    refused |= matches!(error, LinkError::Certificate);
                    if error.is_revoked() {
                        agent.holdings().purge_mounted(agent.arguments.cache.dir.clone()).await;
                    }
                    tracing::warn!(%server, %error, "no link");
                    continue;
                }
            };
            let begun = agent.surroundings.clock.uptime();
            agent.set_linked(true, session.is_held()).await;
            // Boxed: it is large, and on the stack of everything that awaits it.
            let ended = Box::pin(session.run()).await;
            agent.set_linked(false, false).await;
            backoff.note_link(agent.surroundings.clock.uptime().saturating_sub(begun));
            match ended {
                Ok(End::Stopped) => return Ok(()),
                Ok(End::Revoked(reason)) => return Err(AgentError::Revoked(reason)),
                Ok(End::Drained(reason)) => {
                    tracing::info!(%server, reason, "the server drains; dialing another");
                    drained = Some(server);
                }
                Err(error) => tracing::warn!(%server, %error, "the link was lost; everything is kept"),
            }
            agent.surroundings.metrics.reconnects.inc();
            break;
        }
        wait(agent, &mut backoff).await;
    }
    Ok(())
}

/// Random, so that the agents spread over the servers; one that just drained comes last.
fn order(servers: &[ServerAddress], drained: Option<&ServerAddress>) -> Vec<ServerAddress> {
    let mut order = servers.to_vec();
    order.shuffle(&mut rand::rng());
    order.sort_by_key(|server| Some(server) == drained);
    order
}

async fn wait(agent: &Agent, backoff: &mut Backoff) {
    let wait = backoff.next(&mut rand::rng());
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = agent.surroundings.stop.cancelled() => {}
    }
}

/// Why no server takes the certificate, if none does.
fn is_useless(agent: &Agent) -> Option<String> {
    let identity = agent.identity();
    if identity.leaf.not_after <= agent.surroundings.clock.now() {
        return Some(format!("the certificate expired at {}", identity.leaf.not_after));
    }
    identity.is_withdrawn().then(|| "the certificate is of a root that was withdrawn".to_owned())
}

/// One round over the join listeners with a certificate that is expired, or of a root that is trusted no more.
async fn renew_useless(agent: &Agent, why: &str, backoff: &mut Backoff) -> Result<(), AgentError> {
    let expired: Arc<_> = agent.identity();
    if agent.arguments.join_servers.is_empty() {
        return Err(AgentError::Join(format!("{why} and --join is not given: give it")));
    }
    for server in order(&agent.arguments.join_servers, None) {
        match join::renew_expired(&agent.state, &server, &expired).await {
            Ok(identity) => {
                tracing::info!(%server, not_after = %identity.leaf.not_after, why, "renewed a certificate on the join listener");
                agent.set_identity(identity);
                return Ok(());
            }
            Err(error) if error.is_final() => {
                return Err(AgentError::Join(format!(
                    "{why} and cannot be renewed: {error}; join anew with a new token, without what it kept: an empty --state-dir, or without its state Secrets"
                )));
            }
            Err(error) => tracing::warn!(%server, %error, why, "cannot renew the certificate yet"),
        }
    }
    wait(agent, backoff).await;
    Ok(())
}

/// One round over the join listeners with a certificate that some server refused. It may be the server that is wrong, so nothing is final here: the
/// certificate is shown again, as often as any link is tried.
async fn renew_refused(agent: &Agent) {
    let present = agent.identity();
    for server in order(&agent.arguments.join_servers, None) {
        match join::renew_expired(&agent.state, &server, &present).await {
            Ok(identity) => {
                tracing::info!(%server, not_after = %identity.leaf.not_after, "renewed a certificate that was refused");
                return agent.set_identity(identity);
            }
            Err(error) => tracing::warn!(%server, %error, "cannot renew a certificate that was refused"),
        }
    }
}
