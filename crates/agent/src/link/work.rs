//! Applying what the server sends, one after the other in the order it was sent.

use lockstep_proto::v1::AgentMessage;
use tokio::sync::mpsc;
use tracing::{info, info_span, warn};

use super::message;
use crate::agent::Agent;
use crate::delivery::{Answer, Delete, Put};

/// How many puts and deletes wait here before the stream is read no further.
pub(super) const WORK_MAX: usize = 64;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Work {
    Put(Box<Put>),
    Delete(Delete),
    /// Nothing to do but to answer.
    Answer(Answer),
}

/// Works until the queue ends, and answers each.
pub(super) async fn run(agent: &Agent, mut queue: mpsc::Receiver<Work>, out: mpsc::Sender<AgentMessage>) {
    while let Some(work) = queue.recv().await {
        let answer = match work {
            Work::Put(put) => {
                let trace = put.trace.map(|t| t.to_string()).unwrap_or_default();
                let (binding, revision, name) = (put.binding, put.revision, put.name.clone());
                let span = info_span!("delivery.apply", %trace, %binding, %revision, binding_name = name);
                agent.with_holdings(move |holdings| span.in_scope(|| logged(holdings.put(&put)))).await
            }
            Work::Delete(delete) => {
                let (binding, revision) = (delete.binding, delete.revision);
                let span = info_span!("delivery.remove", %binding, %revision, purge = delete.purge);
                agent.with_holdings(move |holdings| span.in_scope(|| logged(holdings.delete(&delete)))).await
            }
            Work::Answer(answer) => logged(answer),
        };
        match &answer.result {
            Ok(_) => agent.surroundings.metrics.applied.inc(),
            Err(refusal) => agent.surroundings.metrics.count_rejected(refusal.kind),
        }
        if out.send(message::answer(answer)).await.is_err() {
            // The link is gone. What is applied is applied, and the next greeting says so.
            return;
        }
    }
}

fn logged(answer: Answer) -> Answer {
    match &answer.result {
        Ok(_) => info!("applied"),
        Err(refusal) => warn!(binding = %answer.binding, kind = %refusal.kind, cause = refusal.cause, "rejected"),
    }
    answer
}
