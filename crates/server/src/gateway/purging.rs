//! The stream of a revoked cluster whose agent is asked to remove what was delivered ([ADR 0024](../../../../docs/adr/0024-what-a-revoked-certificate-may-do.md)).
//!
//! Nothing here can make content: an agent that shows a revoked certificate gets a greeting, deletions and its last words. The change that
//! revoked the cluster is the leave for all of them, and it asked the delete guard's question.

use std::collections::BTreeSet;
use std::time::Duration;

use lockstep_core::cluster::Admittance;
use lockstep_core::delivery::Outcome;
use lockstep_core::id::BindingId;
use lockstep_core::revision::Revision;
use lockstep_proto::convert;
use lockstep_proto::v1::{self, AgentMessage, ServerMessage, agent_message, server_message};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::delivery::{self, Report};
use lockstep_store::{StoreError, cluster, pool};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Status, Streaming};

use crate::actor;
use crate::gateway::Gateway;
use crate::gateway::admission::Admitted;
use crate::gateway::message::{ALL_REMOVED, STOPPING, drain, revoked, welcome};
use crate::gateway::renewal;
use crate::gateway::sessions::{Command, End, Inbox};
use remaining::Remaining;

mod remaining;

type Outbox = mpsc::Sender<Result<ServerMessage, Status>>;

/// How often a heartbeat is sent, and what was lost or refused is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long the last words to an agent may take to be handed over.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);
/// How much of what an agent says of a refusal is kept.
const CAUSE_CHARS_MAX: usize = 500;

struct Purging {
    gateway: Gateway,
    admitted: Admitted,
    outbox: Outbox,
    remaining: Remaining,
    /// Of every deletion: the history's head when the agent was let in, which is not before the change that asked for them.
    revision: Revision,
    heard: Instant,
}

/// Runs until the agent has removed everything, or its stream ends. What is left is asked for again when it comes back.
pub(super) async fn run(gateway: Gateway, admitted: Admitted, inbound: Streaming<AgentMessage>, outbox: Outbox) {
    let (cluster, id, name) = (admitted.identity.cluster, admitted.session, admitted.name.clone());
    tracing::info!(cluster = %name, session = %id, "a revoked cluster's agent connected: it is asked to remove what was delivered");
    let reason = match held(&gateway, &admitted).await {
        Ok(all) => {
            let head = admitted.registry.head;
            let remaining = Remaining::new(all, gateway.app.config.agents.in_flight as usize, Instant::now());
            let revision = Revision { epoch: head.epoch, seq: head.seq };
            let mut purging = Purging { gateway: gateway.clone(), admitted, outbox, remaining, revision, heard: Instant::now() };
            purging.serve(inbound).await
        }
        Err(error) => {
            tracing::warn!(%error, cluster = %name, "what a cluster holds cannot be read");
            let _ = outbox.send_timeout(Err(Status::unavailable("the registry does not answer")), LAST_WORDS_LIMIT).await;
            "the registry does not answer"
        }
    };
    tracing::info!(cluster = %name, session = %id, reason, "a revoked cluster's stream ended");
    gateway.sessions.leave(cluster, id);
    if let Ok(mut connection) = pool::acquire(&gateway.app.pool).await {
        let _ = lockstep_store::session::close(&mut connection, id).await;
    }
}

/// All that the agent says it has, whether or not the registry knows it, and all that it once confirmed: an agent that lost its memory does not
/// confirm by saying nothing.
async fn held(gateway: &Gateway, admitted: &Admitted) -> Result<BTreeSet<BindingId>, StoreError> {
    let mut connection = pool::acquire(&gateway.app.pool).await?;
    let confirmed = delivery::held(&mut connection, admitted.identity.cluster).await?;
    let said = admitted.reported.iter().filter(|(_, reported)| reported.digest.is_some()).map(|(id, _)| *id);
    Ok(said.chain(confirmed).collect())
}

impl Purging {
    async fn serve(&mut self, mut inbound: Streaming<AgentMessage>) -> &'static str {
        let key = self.gateway.digests.for_cluster(self.admitted.identity.cluster);
        self.say(welcome(&self.gateway, &self.admitted, &key)).await;
        let (stop, outbox) = (self.gateway.stop.clone(), self.outbox.clone());
        let interval = Duration::from_millis(u64::from(self.gateway.app.config.agents.heartbeat_ms));
        let mut tick = tokio::time::interval(TICK);
        loop {
            if self.remaining.is_empty() && self.confirm().await {
                self.admitted.cut.soon();
                self.say(revoked(ALL_REMOVED)).await;
                return "its agent removed everything";
            }
            tokio::select! {
                message = inbound.message() => match message {
                    Ok(Some(message)) => {
                        self.heard = Instant::now();
                        if !self.heed(message).await { return "the agent broke the protocol"; }
                    }
                    Ok(None) => return "the agent ended it",
                    Err(_) => return "the link broke",
                },
                why = Inbox::ended(&mut self.admitted.inbox.end) => return match why {
                    End::Superseded | End::Purging => "another stream is the cluster's now",
                    End::Revoked => {
                        self.admitted.cut.soon();
                        self.say(revoked(ALL_REMOVED)).await;
                        "its agent removed everything"
                    }
                },
                command = self.admitted.inbox.commands.recv() => match command {
                    Some(Command::Offer { withheld: None, .. }) => {}
                    Some(Command::Offer { .. } | Command::Reload) | None => return self.come_again().await,
                },
                Some(()) = self.admitted.inbox.reload.recv() => return self.come_again().await,
                room = outbox.reserve(), if self.remaining.is_due(Instant::now()) => match room {
                    Ok(room) => if let Some(id) = self.remaining.next(Instant::now()) {
                        room.send(Ok(ServerMessage { message: Some(self.delete(id)) }));
                    },
                    Err(_) => return "the link broke",
                },
                _ = tick.tick() => {
                    if self.heard.elapsed() > interval * 3 { return "the agent is silent"; }
                    let beat = server_message::Message::Heartbeat(v1::Heartbeat {});
                    // Where there is no room, what fills it is a sign of life too.
                    let _ = outbox.try_send(Ok(ServerMessage { message: Some(beat) }));
                }
                () = stop.cancelled() => {
                    self.say(drain(STOPPING)).await;
                    return "the replica stops";
                }
            }
        }
    }

    /// The history was cut, everything is held, or too much happened at once: whether it may go on is decided when the agent comes back.
    async fn come_again(&self) -> &'static str {
        self.say(drain("the registry has changed: dial again")).await;
        "it is to be admitted anew"
    }

    async fn say(&self, message: server_message::Message) {
        let _ = self.outbox.send_timeout(Ok(ServerMessage { message: Some(message) }), LAST_WORDS_LIMIT).await;
    }

    fn delete(&self, id: BindingId) -> server_message::Message {
        server_message::Message::Delete(v1::Delete {
            binding: id.uuid().as_bytes().to_vec(),
            revision: Some(self.revision.into()),
            head: Some(self.admitted.registry.head.into()),
            purge: true,
        })
    }

    /// `false`: the message breaks the protocol.
    async fn heed(&mut self, message: AgentMessage) -> bool {
        let heeded = match message.message {
            Some(agent_message::Message::Ack(ack)) => self.ack(&ack).await,
            Some(agent_message::Message::Reject(reject)) => self.reject(&reject).await,
            Some(agent_message::Message::CertificateRequest(_)) => {
                let refused = server_message::Message::Certificate(renewal::refused(renewal::REFUSED));
                let _ = self.outbox.try_send(Ok(ServerMessage { message: Some(refused) }));
                Ok(())
            }
            Some(agent_message::Message::Hello(_)) => return false,
            // What it needs it does not get, what it noticed or trusts is of no use any more, and nothing is read for it.
            Some(
                agent_message::Message::Need(_)
                | agent_message::Message::Report(_)
                | agent_message::Message::Heartbeat(_)
                | agent_message::Message::IdentityTokens(_)
                | agent_message::Message::Trusting(_),
            )
            | None => Ok(()),
        };
        heeded.inspect_err(|error| tracing::warn!(cluster = %self.admitted.name, %error, "an agent broke the protocol")).is_ok()
    }

    async fn ack(&mut self, ack: &v1::Ack) -> Result<(), convert::ProtocolError> {
        let (id, revision) = (convert::binding_id(&ack.binding)?, convert::revision(ack.revision)?);
        // What was put before it was revoked may be confirmed still; that is no answer to a deletion.
        if revision == self.revision && ack.digest.is_none() && self.remaining.removed(id) {
            self.gateway.reports.report(self.report(id, Outcome::Applied, None)).await;
        }
        Ok(())
    }

    async fn reject(&mut self, reject: &v1::Reject) -> Result<(), convert::ProtocolError> {
        let (id, revision) = (convert::binding_id(&reject.binding)?, convert::revision(reject.revision)?);
        if revision == self.revision && self.remaining.refused(id, Instant::now()) {
            let cause: String = reject.cause.chars().take(CAUSE_CHARS_MAX).collect();
            tracing::warn!(cluster = %self.admitted.name, binding = %id, cause, "an agent would not remove what was delivered");
            let outcome = if reject.kind() == v1::reject::Kind::Conflict { Outcome::Conflict } else { Outcome::Failed };
            self.gateway.reports.report(self.report(id, outcome, Some(cause))).await;
        }
        Ok(())
    }

    fn report(&self, binding: BindingId, outcome: Outcome, cause: Option<String>) -> Report {
        Report {
            session: self.admitted.session,
            cluster: self.admitted.identity.cluster,
            binding,
            revision: self.revision,
            outcome,
            cause,
            digest: None,
            targets: (0, 0),
            versions: Vec::new(),
            observed: None,
        }
    }

    /// Records that all is removed. `false`: not now; it is tried again.
    async fn confirm(&self) -> bool {
        match pool::within(LAST_WORDS_LIMIT * 10, record(&self.gateway, &self.admitted, self.remaining.removed_count())).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, cluster = %self.admitted.name, "that an agent removed everything cannot be recorded yet");
                tokio::time::sleep(TICK).await;
                false
            }
        }
    }
}

/// Once: whoever is asked twice at the same time confirms one thing.
async fn record(gateway: &Gateway, admitted: &Admitted, bindings: usize) -> Result<(), StoreError> {
    let id = admitted.identity.cluster;
    let mut writing = Writing::begin(&gateway.app.pool).await?;
    let registered = cluster::by_id(writing.connection(), id).await?;
    if registered.spec.life().admittance(admitted.identity.instance) != Admittance::Purging {
        return writing.abandon().await;
    }
    let seq = writing.seq;
    cluster::purged(writing.connection(), id, seq).await?;
    delivery::bury_unplaced(writing.connection()).await?;
    let entry = Entry {
        actor: actor::agent(id),
        kind: "ClusterPurged",
        subject: format!("cluster/{}", registered.name),
        detail: json!({ "bindings": bindings }),
    };
    writing.commit(&entry).await?;
    tracing::info!(cluster = %registered.name, bindings, "a revoked cluster's agent removed what was delivered");
    Ok(())
}
