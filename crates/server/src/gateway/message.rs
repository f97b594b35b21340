//! What is said to an agent: one delivery, from work to message, and the last words of a stream.

use std::time::Duration;

use lockstep_core::binding::{CsiSource, DeletionPolicy, Item, Mode, Target};
use lockstep_core::delivery::Outcome;
use lockstep_core::digest::{ClusterKey, Digest};
use lockstep_core::id::BindingId;
use lockstep_core::namespaces::AllowedNamespaces;
use lockstep_core::placement::Placement;
use lockstep_core::revision::Revision;
use lockstep_core::trace::TraceId;
use lockstep_proto::convert;
use lockstep_proto::v1::{self, server_message};
use lockstep_store::delivery::Report;
use lockstep_store::secret::SecretRecord;
use tokio::time::Instant;

use crate::cluster_readers::Reader;
use crate::gateway::Gateway;
use crate::gateway::admission::Admitted;
use crate::gateway::ledger::{Work, is_removal};
use crate::gateway::prepare::{Prepared, prepare};

/// How long leave to send is good for: while content is read, and while what is ready waits for room on the link.
pub(super) const LEAVE_LIFE: Duration = Duration::from_millis(100);

/// What preparing one delivery came to.
pub(super) enum Ready {
    /// To be written to the link.
    Send(Box<Delivery>),
    /// Leave was not given.
    NotNow(BindingId, Revision),
    /// There is nothing to send.
    Failed(BindingId, Revision),
}

/// A delivery with leave to be sent.
pub(super) struct Delivery {
    /// What leave was asked with.
    pub(super) report: Report,
    /// `None` for a Delete.
    pub(super) digest: Option<Digest>,
    pub(super) message: server_message::Message,
}

/// Reads and renders, asks leave, and makes the message. Nothing leaves before the leave is recorded.
///
/// The first time, leave is asked while the content is read: that is a fifth of a delivery's time. What failed before is read first,
/// so that what is recorded of it does not change to and fro with each try.
pub(super) async fn make_ready(gateway: Gateway, cluster: String, key: ClusterKey, work: Work, blank: Report) -> Ready {
    let (id, revision) = (blank.binding, blank.revision);
    let leave = async { if work.is_retry { None } else { Some((gateway.reports.permit(blank.clone()).await, Instant::now())) } };
    let (prepared, leave) = if is_removal(&work) {
        (Ok(None), leave.await)
    } else {
        let reader = Reader { cluster: blank.cluster, name: &cluster };
        let prepared = prepare(&gateway.app, reader, &key, &work.facts);
        let (prepared, leave) = tokio::join!(prepared, leave);
        (prepared.map(Some), leave)
    };
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            tracing::warn!(binding = %work.facts.name, %revision, %error, "a delivery could not be prepared");
            let report = Report { outcome: error.outcome(), cause: Some(error.to_string()), ..blank };
            gateway.reports.report(report).await;
            return Ready::Failed(id, revision);
        }
    };
    let may_be_sent = match leave {
        Some((given, at)) if !given || at.elapsed() <= LEAVE_LIFE => given,
        // Somebody may have paused the cluster or taken the grant away while a slow source was read.
        Some(_) | None => gateway.reports.permit(blank.clone()).await,
    };
    if !may_be_sent {
        return Ready::NotNow(id, revision);
    }
    let digest = prepared.as_ref().map(|p| p.digest.clone());
    let message = message(work, prepared);
    Ready::Send(Box::new(Delivery { report: blank, digest, message }))
}

/// The agent has no place for it: nothing is read, and no leave is asked.
pub(super) async fn refuse(gateway: Gateway, why: &'static str, blank: Report) -> Ready {
    let (id, revision) = (blank.binding, blank.revision);
    gateway.reports.report(Report { outcome: Outcome::Failed, cause: Some(why.to_owned()), ..blank }).await;
    Ready::Failed(id, revision)
}

fn message(work: Work, prepared: Option<Prepared>) -> server_message::Message {
    let Work { facts, head, .. } = work;
    let binding = facts.binding.id.uuid().as_bytes().to_vec();
    let revision = Some(facts.desired.revision.into());
    let Some(prepared) = prepared else {
        let purge = facts.purges();
        return server_message::Message::Delete(v1::Delete { binding, revision, head: Some(head.into()), purge });
    };
    let allowed = match facts.placement {
        Placement::PlacedWithin(allowed) => allowed,
        Placement::Placed | Placement::Denied(_) | Placement::Removed(_) => AllowedNamespaces::default(),
    };
    let purge_former = facts.binding.spec.deletion_policy == DeletionPolicy::Delete;
    let delivered = facts.binding.spec.delivered;
    // Of an item that delivers all its keys nobody can tell which those are beside others: then it is asked for by the binding.
    let is_alone = delivered.items.len() == 1 && delivered.templates.is_empty();
    let named = |(item, secret): (&Item, &SecretRecord)| {
        let is_told = is_alone || !item.keys.is_empty();
        is_told.then(|| CsiSource::of(item, &secret.named(item.secret.source().clone()))).flatten()
    };
    let sources = match &delivered.target {
        // A template's key is asked for by the binding.
        Target::Csi(_) if !delivered.templates_only => delivered.items.iter().zip(&facts.secrets).filter_map(named).collect(),
        Target::Csi(_) | Target::Secret(_) | Target::Directory { .. } => Vec::new(),
    };
    let trace = facts.secrets.iter().max_by_key(|s| s.known.seqs.chosen).and_then(|s| s.trace);
    server_message::Message::Put(v1::Put {
        binding,
        binding_name: facts.name,
        revision,
        head: Some(head.into()),
        target: Some(convert::target_message(delivered.target, &allowed, sources)),
        content: convert::entries(&prepared.content),
        digest: Some(prepared.digest.into()),
        trace: trace.map(|t: TraceId| t.bytes().to_vec()).unwrap_or_default(),
        observe: delivered.mode == Mode::Observe,
        restart: convert::restart_message(&delivered.restart),
        registered_us: facts.registered.timestamp_micros().try_into().unwrap_or_default(),
        purge_former,
    })
}

/// The greeting: all that an agent needs to know before anything is sent.
pub(super) fn welcome(gateway: &Gateway, admitted: &Admitted, key: &ClusterKey) -> server_message::Message {
    let agents = &gateway.app.config.agents;
    server_message::Message::Welcome(v1::Welcome {
        epoch: admitted.registry.head.epoch.get(),
        digest_key: key.id.as_str().to_owned(),
        digest_key_bytes: key.expose().to_vec(),
        limits: Some(v1::Limits {
            heartbeat_interval_ms: agents.heartbeat_ms,
            in_flight: agents.in_flight,
            verify_interval_ms: agents.verify_ms,
        }),
        registry: admitted.registry.id.uuid().as_bytes().to_vec(),
        held: admitted.held.clone().unwrap_or_default(),
    })
}

/// Why an agent is to dial another replica, or this one again.
pub(super) const STOPPING: &str = "this replica is stopping";
pub(super) const REVOKED_TO_PURGE: &str = "the cluster was revoked: dial again, to be asked to remove what was delivered";

/// What an agent is told when its cluster was revoked.
pub(super) const NOTHING_REMOVED: &str = "the cluster was revoked";
pub(super) const ALL_REMOVED: &str = "the cluster was revoked, and what was delivered is removed as an administrator asked";

/// The agent is to dial again.
pub(super) fn drain(reason: &str) -> server_message::Message {
    server_message::Message::Drain(v1::Drain { reason: reason.to_owned() })
}

/// The cluster was revoked: the agent is not to come again.
pub(super) fn revoked(reason: &str) -> server_message::Message {
    server_message::Message::Revoked(v1::Revoked { reason: reason.to_owned() })
}

#[cfg(test)]
mod tests;
