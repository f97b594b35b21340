//! The link: dials servers in turn, forever, and keeps one stream.

mod message;
mod renewal;
mod restarting;
mod session;
mod verification;
mod welcome;
mod work;

use std::sync::Arc;
use std::time::Duration;

use lockstep_proto::convert::ProtocolError;
use rand::seq::SliceRandom;
use thiserror::Error;
use tonic::Status;

use crate::address::ServerAddress;
use crate::agent::{Agent, AgentError};
use crate::backoff::Backoff;
use crate::connect::ConnectError;
use crate::holdings::WelcomeError;
use crate::join;
use session::Session;

/// Why a stream could not be had, or ended otherwise than by agreement.
#[derive(Debug, Error)]
pub(crate) enum LinkError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
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
    let mut drained = None;
    while !agent.surroundings.stop.is_cancelled() {
        if agent.identity().leaf.not_after <= agent.surroundings.clock.now() {
            renew_expired(agent, &mut backoff).await?;
            continue;
        }
        for server in order(&agent.arguments.servers, drained.take().as_ref()) {
            let connected = tokio::select! {
                session = Session::open(agent, &server) => session,
                () = agent.surroundings.stop.cancelled() => return Ok(()),
            };
            let session = match connected {
                Ok(session) => session,
                Err(LinkError::Revoked(reason)) => return Err(AgentError::Revoked(reason)),
                Err(error) => {
                    tracing::warn!(%server, %error, "no link");
                    continue;
                }
            };
            let begun = agent.surroundings.clock.uptime();
            agent.surroundings.metrics.connected.set(1);
            // Boxed: it is large, and on the stack of everything that awaits it.
            let ended = Box::pin(session.run()).await;
            agent.surroundings.metrics.connected.set(0);
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

/// One round over the join listeners with an expired certificate.
async fn renew_expired(agent: &Agent, backoff: &mut Backoff) -> Result<(), AgentError> {
    let expired: Arc<_> = agent.identity();
    if agent.arguments.join_servers.is_empty() {
        let cause = format!("the certificate expired at {} and --join is not given: give it", expired.leaf.not_after);
        return Err(AgentError::Join(cause));
    }
    for server in order(&agent.arguments.join_servers, None) {
        match join::renew_expired(&agent.state, &server, &expired).await {
            Ok(identity) => {
                tracing::info!(%server, not_after = %identity.leaf.not_after, "renewed an expired certificate");
                agent.set_identity(identity);
                return Ok(());
            }
            Err(error) if error.is_final() => {
                return Err(AgentError::Join(format!(
                    "the certificate expired at {} and cannot be renewed: {error}; join anew with a new token, without what it kept: an empty --state-dir, or without its state Secrets",
                    expired.leaf.not_after
                )));
            }
            Err(error) => tracing::warn!(%server, %error, "cannot renew an expired certificate yet"),
        }
    }
    wait(agent, backoff).await;
    Ok(())
}
