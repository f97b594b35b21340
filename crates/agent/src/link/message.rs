//! Between the protocol's messages and the domain's words.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use lockstep_core::id::BindingId;
use lockstep_proto::convert;
use lockstep_proto::convert::{
    ProtocolError, allowed_namespaces, binding_id, content, csi_sources, held_message, restart_report_message, revision, trace_id,
};
use lockstep_proto::v1::{self, agent_message::Message, reject};

use crate::delivery::{Answer, Applied, Delete, Put, Refusal, RefusalKind};
use crate::holdings::Inventory;
use crate::identity_tokens::{self, Shown};
use crate::restart;
use crate::sink::Targets;
use crate::sink::secret::Comparison;

/// A message of the agent.
pub(super) fn from_agent(message: Message) -> v1::AgentMessage {
    v1::AgentMessage { message: Some(message) }
}

/// The first message.
pub(super) fn hello(
    inventory: Inventory,
    sinks: Vec<String>,
    roots: Vec<Vec<u8>>,
    lease_term: u64,
    shown: &Shown,
) -> v1::AgentMessage {
    from_agent(Message::Hello(v1::Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        lease_term,
        floor: inventory.floor.map(Into::into),
        inventory: inventory.held.into_iter().map(|(binding, reported)| held_message(binding, reported)).collect(),
        sinks,
        identity_tokens: (!shown.is_empty()).then(|| identity_tokens::message(shown)),
        roots,
    }))
}

/// Bindings as the protocol carries them.
pub(super) fn bindings(bindings: &[BindingId]) -> Vec<Vec<u8>> {
    bindings.iter().map(|binding| binding.uuid().as_bytes().to_vec()).collect()
}

/// How restarts go.
pub(super) fn restarts<'a>(reports: impl IntoIterator<Item = &'a restart::Report>) -> v1::AgentMessage {
    let one = |report: &restart::Report| restart_report_message(report.binding, report.revision, report.progress());
    let restarts = reports.into_iter().map(one).collect();
    from_agent(Message::Report(v1::Report { restarts, ..v1::Report::default() }))
}

/// A put. One that names its binding and revision but is wrong otherwise is answered, not a reason to end the link.
pub(super) fn put(message: v1::Put) -> Result<Result<Put, Answer>, ProtocolError> {
    let binding = binding_id(&message.binding)?;
    let revision = revision(message.revision)?;
    let trace = trace_id(&message.trace)?;
    let rest = || -> Result<Put, ProtocolError> {
        let target = message.target.ok_or(ProtocolError::Missing("target"))?;
        Ok(Put {
            binding,
            name: message.binding_name,
            registered: Some(message.registered_us).filter(|us| *us > 0).and_then(registered),
            revision,
            head: message.head.ok_or(ProtocolError::Missing("head"))?.try_into()?,
            allowed: allowed_namespaces(&target)?,
            sources: csi_sources(&target),
            target: target.try_into()?,
            observe: message.observe,
            restart: convert::restart(message.restart)?,
            purge_former: message.purge_former,
            content: Arc::new(content(message.content)?),
            digest: message.digest.ok_or(ProtocolError::Missing("digest"))?.try_into()?,
            trace,
        })
    };
    Ok(rest().map_err(|e| Answer {
        binding,
        revision,
        trace,
        result: Err(Refusal::failed(format!("the server's message cannot be used: {e}"))),
    }))
}

fn registered(us: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(us.try_into().ok()?)
}

/// A delete.
pub(super) fn delete(message: v1::Delete) -> Result<Delete, ProtocolError> {
    Ok(Delete {
        binding: binding_id(&message.binding)?,
        revision: revision(message.revision)?,
        head: message.head.ok_or(ProtocolError::Missing("head"))?.try_into()?,
        purge: message.purge,
    })
}

/// An answer.
pub(super) fn answer(answer: Answer) -> v1::AgentMessage {
    let binding = answer.binding.uuid().as_bytes().to_vec();
    let revision = Some(answer.revision.into());
    let trace = answer.trace.map(|t| t.bytes().to_vec()).unwrap_or_default();
    from_agent(match answer.result {
        Ok(Applied::Put { digest, targets: Targets { applied: targets_applied, total: targets_total } }) => {
            let digest = Some(digest.into());
            Message::Ack(v1::Ack { binding, revision, digest, targets_applied, targets_total, trace, ..v1::Ack::default() })
        }
        Ok(Applied::Observed { digest, comparison: Comparison { would_change, total: would_total, targets } }) => {
            let digest = Some(digest.into());
            let Targets { applied: targets_applied, total: targets_total } = targets;
            Message::Ack(v1::Ack { binding, revision, digest, targets_applied, targets_total, trace, would_change, would_total })
        }
        Ok(Applied::Delete) => Message::Ack(v1::Ack { binding, revision, trace, ..v1::Ack::default() }),
        Err(Refusal { kind, cause }) => {
            let kind = match kind {
                RefusalKind::Conflict => reject::Kind::Conflict,
                RefusalKind::Failed => reject::Kind::Failed,
                RefusalKind::Older => reject::Kind::Older,
            };
            Message::Reject(v1::Reject { binding, revision, kind: kind.into(), cause, trace })
        }
    })
}
