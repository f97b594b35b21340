//! One stream, from the greeting to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use lockstep_proto::MESSAGE_MAX_BYTES;
use lockstep_proto::v1::agent_client::AgentClient;
use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_proto::v1::{AgentMessage, Heartbeat, ServerMessage};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::message::{self, from_agent};
use super::welcome::{SILENCE_INTERVALS, Welcome};
use super::work::{self, WORK_MAX, Work};
use super::{End, LOOP, LinkError, renewal, restarting, trusting, verification};
use crate::address::ServerAddress;
use crate::agent::Agent;
use crate::connect::watched;
use crate::identity_tokens::{self, Shown};
use crate::tls;

/// How many messages wait to be sent.
const OUT_MAX: usize = 256;
/// How long a server may take to greet.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(15);
/// How long what was begun may take to finish when a stream ends by agreement.
const FINISH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a heartbeat may wait behind what the server does not take.
const WRITE_LIMIT: Duration = Duration::from_secs(60);
/// How long the last answers may take to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a link is noted for what pods may mount.
const CONFIRM_INTERVAL: Duration = Duration::from_secs(30);

/// A stream on which the server has greeted.
pub(super) struct Session<'a> {
    agent: &'a Agent,
    welcome: Welcome,
    /// The identity tokens that the server has.
    shown: Shown,
    inbound: Streaming<ServerMessage>,
    out: mpsc::Sender<AgentMessage>,
}

impl<'a> Session<'a> {
    /// Dials, says what the agent has, and takes the greeting.
    pub(super) async fn open(agent: &'a Agent, server: &ServerAddress) -> Result<Self, LinkError> {
        let config = tls::for_link(&agent.identity()).map_err(crate::connect::ConnectError::from)?;
        let (refusal, channel) = watched(server, config).await;
        let opened = match channel {
            Ok(channel) => Self::greeted(agent, server, channel).await,
            Err(error) => Err(error.into()),
        };
        opened.map_err(|error| if refusal.is_told() { LinkError::Certificate } else { error })
    }

    async fn greeted(agent: &'a Agent, server: &ServerAddress, channel: Channel) -> Result<Self, LinkError> {
        let mut client =
            AgentClient::new(channel).max_decoding_message_size(MESSAGE_MAX_BYTES).max_encoding_message_size(MESSAGE_MAX_BYTES);
        let (out, requests) = mpsc::channel(OUT_MAX);
        agent.count_bindings().await;
        let mut inventory = agent.holdings().inventory().await;
        let checked = std::mem::take(&mut inventory.checked);
        let shown = identity_tokens::read(&agent.arguments.identity_token_files);
        let (sinks, roots) = (agent.holdings().sink_names(), trusting::roots(&agent.identity()));
        let hello = message::hello(inventory, sinks, roots, agent.surroundings.lease_term, &shown);
        let _ = out.send(hello).await;
        let greeting = async {
            let mut inbound = client.link(ReceiverStream::new(requests)).await.map_err(status)?.into_inner();
            let first = inbound.message().await.map_err(status)?.ok_or(LinkError::Closed)?;
            Ok::<_, LinkError>((inbound, first))
        };
        let greeted = timeout(WELCOME_TIMEOUT, greeting).await.map_err(|_| LinkError::Silent(WELCOME_TIMEOUT))?;
        let (inbound, first) = greeted?;
        let welcome = match first.message {
            Some(FromServer::Welcome(welcome)) => Welcome::try_from(welcome)?,
            // A server that will not serve may say so before it greets.
            Some(FromServer::Revoked(revoked)) => return Err(LinkError::Revoked(revoked.reason)),
            Some(FromServer::Drain(_)) | None => return Err(LinkError::Closed),
            Some(_) => return Err(LinkError::NoWelcome),
        };
        let registry = welcome.registry;
        agent.holdings().welcome(registry, welcome.key.clone()).await?;
        tracing::info!(%server, %registry, "linked");
        verification::greeted(agent, &checked, &out).await.ok_or(LinkError::Closed)?;
        if let Some(reason) = &welcome.held {
            tracing::warn!(%server, reason, "this cluster is held: everything is kept, nothing new comes");
        }
        Ok(Self { agent, welcome, shown, inbound, out })
    }

    /// Whether nothing new comes until a person decides.
    pub(super) fn is_held(&self) -> bool {
        self.welcome.held.is_some()
    }

    /// Keeps the stream until it ends, then finishes what was begun.
    pub(super) async fn run(self) -> Result<End, LinkError> {
        let Self { agent, welcome, shown, mut inbound, out } = self;
        let (queue, work) = mpsc::channel(WORK_MAX);
        let silence = welcome.heartbeat_interval * SILENCE_INTERVALS;
        let mut worker = pin!(work::run(agent, work, out.clone()));
        let (ended, worked_off) = tokio::select! {
            ended = read(agent, &mut inbound, queue, &out, silence) => (ended, false),
            () = &mut worker => (Err(LinkError::Closed), true),
            () = accompany(agent, &welcome, shown, &out) => (Err(LinkError::Closed), false),
            () = agent.surroundings.stop.cancelled() => (Ok(End::Stopped), false),
        };
        // The queue has ended with the reader, so the worker ends when it is empty.
        if !worked_off && timeout(FINISH_TIMEOUT, worker).await.is_err() {
            tracing::warn!("what was begun did not finish in time; the next greeting says what became of it");
        }
        if ended.is_ok() {
            drop(out);
            let flushed = async { while let Ok(Some(_)) = inbound.message().await {} };
            let _ = timeout(FLUSH_TIMEOUT, flushed).await;
        }
        ended
    }
}

/// What goes on beside reading and working; ends when nothing can be sent any more.
async fn accompany(agent: &Agent, welcome: &Welcome, shown: Shown, out: &mpsc::Sender<AgentMessage>) {
    tokio::select! {
        () = heartbeat(agent, welcome.heartbeat_interval, out.clone()) => {}
        () = verification::run(agent, welcome.verify_interval, welcome.held.as_deref(), out.clone()) => {}
        () = renewal::run(agent, out.clone()) => {}
        () = restarting::run(agent, out.clone()) => {}
        () = show(agent, shown, out.clone()) => {}
        () = confirm(agent, welcome.held.is_some()) => {}
    }
}

/// Reads until the stream ends or is to end. Dropping it, or its end, ends the queue.
async fn read(
    agent: &Agent,
    inbound: &mut Streaming<ServerMessage>,
    queue: mpsc::Sender<Work>,
    out: &mpsc::Sender<AgentMessage>,
    silence: Duration,
) -> Result<End, LinkError> {
    loop {
        let heard = timeout(silence, inbound.message()).await.map_err(|_| LinkError::Silent(silence))?;
        let message = heard.map_err(status)?.ok_or(LinkError::Closed)?;
        agent.surroundings.metrics.last_heard.set(agent.surroundings.clock.now().timestamp());
        let work = match message.message {
            Some(FromServer::Put(put)) => match message::put(put)? {
                Ok(put) => Work::Put(Arc::new(put)),
                Err(answer) => Work::Answer(answer),
            },
            Some(FromServer::Delete(delete)) => Work::Delete(message::delete(delete)?),
            Some(FromServer::Drain(drain)) => return Ok(End::Drained(drain.reason)),
            Some(FromServer::Revoked(revoked)) => return Ok(End::Revoked(revoked.reason)),
            Some(FromServer::Certificate(certificate)) => {
                renewal::take(agent, certificate, out).await;
                continue;
            }
            Some(FromServer::Trust(trust)) => {
                trusting::take(agent, trust, out).await;
                continue;
            }
            // A message of a newer server that this agent does not know, or one that needs nothing done.
            Some(FromServer::Heartbeat(_) | FromServer::Welcome(_)) | None => continue,
        };
        if queue.send(work).await.is_err() {
            return Err(LinkError::Closed);
        }
    }
}

/// Sends identity tokens again when they were exchanged.
async fn show(agent: &Agent, mut shown: Shown, out: mpsc::Sender<AgentMessage>) {
    if agent.arguments.identity_token_files.is_empty() {
        return std::future::pending().await;
    }
    loop {
        sleep(identity_tokens::LOOK_INTERVAL).await;
        let now = identity_tokens::read(&agent.arguments.identity_token_files);
        if now == shown || now.is_empty() {
            continue;
        }
        if out.send(from_agent(FromAgent::IdentityTokens(identity_tokens::message(&now)))).await.is_err() {
            return;
        }
        shown = now;
    }
}

/// Notes every so often that there is a link: after a restart without one it counts how long ago that was.
async fn confirm(agent: &Agent, is_held: bool) {
    loop {
        sleep(CONFIRM_INTERVAL).await;
        agent.set_linked(true, is_held).await;
    }
}

async fn heartbeat(agent: &Agent, interval: Duration, out: mpsc::Sender<AgentMessage>) {
    let loops = &agent.surroundings.metrics.loops;
    loops.begin(LOOP, interval, WRITE_LIMIT);
    // A server that takes nothing any more is dialled anew: that is its trouble, and no reason to restart this agent.
    while let Ok(Ok(())) = timeout(WRITE_LIMIT, out.send(from_agent(FromAgent::Heartbeat(Heartbeat {})))).await {
        loops.turned(LOOP);
        loops.progressed(LOOP);
        sleep(interval).await;
    }
}

fn status(status: tonic::Status) -> LinkError {
    LinkError::Status(Box::new(status))
}
