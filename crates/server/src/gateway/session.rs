//! One session: offers come in, deliveries go out, answers come back.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use lockstep_core::delivery::Outcome;
use lockstep_core::digest::ClusterKey;
use lockstep_core::history::Mark;
use lockstep_core::id::BindingId;
use lockstep_core::revision::Revision;
use lockstep_core::trace::TraceId;
use lockstep_proto::v1::{self, AgentMessage, ServerMessage, server_message};
use lockstep_store::delivery::Report;
use lockstep_store::desired::Snapshot;
use lockstep_store::{StoreError, pool};
use lockstep_telemetry::traces::{Key, Name, Span};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tonic::{Status, Streaming};

use crate::authority::Trust;
use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::admission::Admitted;
use crate::gateway::ledger::{Guard, Ledger};
use crate::gateway::message::{NOTHING_REMOVED, REVOKED_TO_PURGE, Ready, STOPPING, drain, make_ready, refuse, revoked, welcome};
use crate::gateway::sessions::{Command, End, Inbox};
use crate::propagation::Stage;
use offers::is_before;
use outgoing::{Answer, Outgoing};

mod answers;
mod held_back;
mod noticed;
mod offers;
mod outgoing;
mod renewing;
mod rights;
mod trusting;

pub(super) use trusting::Trusts;

type Outbox = mpsc::Sender<Result<ServerMessage, Status>>;

/// How often waiting work, lost answers and silence are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long the last words to an agent may take to be handed over.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);
/// How long the registry may take to say what one cluster should hold, or to note something of it.
const RELOAD_LIMIT: Duration = Duration::from_secs(15);
/// The pause between two reloads that an agent's Need asked for.
const NEED_PAUSE: Duration = Duration::from_secs(2);

struct Session {
    gateway: Gateway,
    admitted: Admitted,
    key: ClusterKey,
    ledger: Ledger,
    outbox: Outbox,
    preparing: FuturesUnordered<BoxFuture<'static, Ready>>,
    /// What waits for room on the link. Nothing else waits with it, so that an agent that is slow is still heard, and one that fell silent
    /// is found.
    outgoing: Outgoing,
    /// The leave that is asked again for what waited, if it is.
    asking: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// The reload under way, if one is. It does not stop the stream, however long Postgres takes.
    reloading: FuturesUnordered<BoxFuture<'static, Result<Snapshot, StoreError>>>,
    withheld: Option<String>,
    /// What the registry was last told of deletions held back.
    noted: Option<held_back::Noted>,
    noting: FuturesUnordered<BoxFuture<'static, Result<held_back::Noted, StoreError>>>,
    /// What the Vaults say of the cluster's own rights, while they are asked.
    looking: FuturesUnordered<BoxFuture<'static, Result<rights::Looked, StoreError>>>,
    /// When they are asked next, if they are.
    rights_at: Option<Instant>,
    /// The answer to a request for a new certificate, if one is being made.
    renewing: FuturesUnordered<BoxFuture<'static, server_message::Message>>,
    renewed_at: Option<Instant>,
    /// What is trusted here, and whenever it changes.
    trust: watch::Receiver<Arc<Trust>>,
    sent: Option<trusting::Sent>,
    /// What the registry was last told of the agent's trust.
    trusts_noted: Option<Trusts>,
    noting_trusts: FuturesUnordered<BoxFuture<'static, Result<Trusts, StoreError>>>,
    /// The newest point of the history that an offer came from.
    seen: Mark,
    heard: Instant,
    said: Instant,
    /// When a reload is due, if one is.
    reload_at: Option<Instant>,
}

/// Runs the session until its stream ends, it is superseded, or the replica stops.
pub(super) async fn run(gateway: Gateway, mut admitted: Admitted, inbound: Streaming<AgentMessage>, outbox: Outbox) {
    let (cluster, id, name) = (admitted.identity.cluster, admitted.session, admitted.name.clone());
    let now = Instant::now();
    let mut session = Session {
        key: gateway.digests.for_cluster(cluster),
        ledger: {
            let agents = &gateway.app.config.agents;
            let guard = Guard::new(agents.delete_guard_percent);
            Ledger::new(std::mem::take(&mut admitted.reported), agents.in_flight as usize, guard)
        },
        outbox,
        preparing: FuturesUnordered::new(),
        outgoing: Outgoing::default(),
        asking: FuturesUnordered::new(),
        reloading: FuturesUnordered::new(),
        withheld: admitted.held.clone(),
        noted: None,
        noting: FuturesUnordered::new(),
        looking: FuturesUnordered::new(),
        rights_at: Some(now),
        renewing: FuturesUnordered::new(),
        renewed_at: None,
        trust: gateway.app.authority.watch_trust(),
        sent: None,
        trusts_noted: None,
        noting_trusts: FuturesUnordered::new(),
        seen: admitted.registry.head,
        heard: now,
        said: now,
        reload_at: Some(now),
        gateway: gateway.clone(),
        admitted,
    };
    gateway.app.metrics.agents_connected.inc();
    tracing::info!(cluster = %name, session = %id, "an agent connected");
    let reason = session.serve(inbound).await;
    tracing::info!(cluster = %name, session = %id, reason, "an agent's stream ended");
    gateway.app.metrics.agents_connected.dec();
    gateway.sessions.leave(cluster, id);
    if let Ok(mut connection) = pool::acquire(&gateway.app.pool).await {
        let _ = lockstep_store::session::close(&mut connection, id).await;
    }
}

impl Session {
    async fn serve(&mut self, mut inbound: Streaming<AgentMessage>) -> &'static str {
        self.say(welcome(&self.gateway, &self.admitted, &self.key));
        self.tell_trust();
        self.note_trusts();
        let (stop, outbox) = (self.gateway.stop.clone(), self.outbox.clone());
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                message = inbound.message() => match message {
                    Ok(Some(message)) => {
                        self.heard = Instant::now();
                        if !self.heed(message).await { return "the agent broke the protocol"; }
                    }
                    Ok(None) => return "the agent ended it",
                    Err(_) => return "the link broke",
                },
                command = self.admitted.inbox.commands.recv() => match command {
                    // Read before what was offered since: beside that, it would look as if the history had been cut.
                    Some(Command::Offer { head, .. }) if is_before(&head, &self.seen) => {}
                    Some(Command::Offer { head, withheld, confirmed, facts }) => {
                        self.ledger.confirm_deletions(confirmed);
                        self.offer(facts, head, withheld, false).await;
                    }
                    Some(Command::Reload) => self.reload_at = Some(Instant::now()),
                    None => return "another stream is the cluster's now",
                },
                why = Inbox::ended(&mut self.admitted.inbox.end) => return self.end(why).await,
                Some(()) = self.admitted.inbox.reload.recv() => self.reload_at = Some(Instant::now()),
                Some(ready) = self.preparing.next() => self.ready(ready),
                Some(reloaded) = self.reloading.next() => self.reloaded(reloaded).await,
                Some(certificate) = self.renewing.next() => {
                    self.remember_sent(&certificate);
                    self.say(certificate);
                }
                Ok(()) = self.trust.changed() => self.tell_trust(),
                Some(noted) = self.noting_trusts.next() => self.trusts_noted = noted.ok(),
                Some(looked) = self.looking.next() => self.rights_looked(looked).await,
                Some(noted) = self.noting.next() => self.noted = noted.ok(),
                Some(answer) = self.asking.next() => self.leave_answered(&answer),
                room = outbox.reserve(), if self.outgoing.is_due(!self.asking.is_empty()) => match room {
                    Ok(room) => self.write(room),
                    Err(_) => return "the link broke",
                },
                _ = tick.tick() => {
                    if !self.tick() { return "the agent is silent" }
                    self.look_at_rights().await;
                }
                () = stop.cancelled() => {
                    self.say_last(drain(STOPPING)).await;
                    return "the replica stops";
                }
            }
            if self.reloading.is_empty() && self.reload_at.is_some_and(|at| at <= Instant::now()) {
                self.reload_at = None;
                self.reloading.push(self.reload());
            }
            self.pump();
        }
    }

    /// Ends it for a reason that is not the agent's. A stream on which nobody reads would outlive this: the connection is cut, too.
    async fn end(&mut self, why: End) -> &'static str {
        let (last, reason) = match why {
            End::Superseded => return "another stream is the cluster's now",
            End::Revoked => (revoked(NOTHING_REMOVED), "the cluster was revoked"),
            // It comes back for that on a stream that can do nothing else.
            End::Purging => (drain(REVOKED_TO_PURGE), "the cluster was revoked and its agent is to remove what was delivered"),
        };
        self.gateway.app.readers.forget(self.admitted.identity.cluster).await;
        self.admitted.cut.soon();
        self.say_last(last).await;
        reason
    }

    fn say(&mut self, message: server_message::Message) {
        self.outgoing.say(message);
    }

    /// What is said before the stream ends; it does not wait for what was to be said before.
    async fn say_last(&mut self, message: server_message::Message) {
        let _ = self.outbox.send_timeout(Ok(ServerMessage { message: Some(message) }), LAST_WORDS_LIMIT).await;
    }

    /// Starts preparing what may be sent.
    fn pump(&mut self) {
        if self.withheld.is_some() {
            return;
        }
        while let Some(work) = self.ledger.next(Instant::now()) {
            let (gateway, name, key) = (self.gateway.clone(), self.admitted.name.clone(), self.key.clone());
            let blank = self.report(work.facts.binding.id, work.facts.desired.revision, Outcome::Sent);
            self.preparing.push(match self.admitted.sinks.refuse(&work.facts) {
                Some(why) => refuse(gateway, why, blank).boxed(),
                None => make_ready(gateway, name, key, work, blank).boxed(),
            });
        }
    }

    fn ready(&mut self, ready: Ready) {
        match ready {
            Ready::Send(delivery) => self.outgoing.deliver(*delivery, Instant::now()),
            Ready::NotNow(id, revision) => self.ledger.give_back(id, revision),
            Ready::Failed(id, revision) => self.ledger.refuse(id, revision, Instant::now()),
        }
    }

    /// `false`: the agent was silent for too long.
    fn tick(&mut self) -> bool {
        let interval = Duration::from_millis(u64::from(self.gateway.app.config.agents.heartbeat_ms));
        let lost = self.ledger.expire(Instant::now());
        if lost > 0 {
            self.gateway.app.metrics.limit_hits.with_label_values(&["answer"]).inc_by(lost as u64);
            self.reload_at = Some(Instant::now());
        }
        if self.heard.elapsed() > interval * 3 {
            return false;
        }
        self.note_held_back();
        self.note_trusts();
        // What is to be said already is a sign of life too; deliveries may wait for Postgres.
        if !self.outgoing.has_words() && self.said.elapsed() >= interval {
            self.say(server_message::Message::Heartbeat(v1::Heartbeat {}));
        }
        true
    }

    /// A delivery of what is new to the cluster passes a stage.
    fn passed(&self, stage: Stage, revision: Revision) {
        let metrics = &self.gateway.app.metrics;
        if !metrics.propagation.passed(stage, revision.seq) {
            metrics.limit_hits.with_label_values(&["propagation"]).inc();
        }
    }

    /// A part of a version's way ended now.
    fn trace(&self, trace: TraceId, name: Name, (binding, revision): (BindingId, Revision), took: Duration) {
        self.gateway.app.traces.record(|| Span {
            trace,
            name,
            ended: clock::now(),
            took,
            is_good: true,
            attributes: vec![
                (Key::Cluster, self.admitted.name.clone()),
                (Key::Binding, binding.to_string()),
                (Key::Revision, revision.to_string()),
            ],
        });
    }

    fn report(&self, binding: BindingId, revision: Revision, outcome: Outcome) -> Report {
        Report {
            session: self.admitted.session,
            cluster: self.admitted.identity.cluster,
            binding,
            revision,
            outcome,
            cause: None,
            digest: None,
            targets: (0, 0),
            versions: Vec::new(),
            observed: None,
        }
    }
}
