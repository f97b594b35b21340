//! Applying what the server sends: one binding's deliveries one after the other, different bindings side by side.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use lockstep_core::id::BindingId;
use lockstep_proto::v1::AgentMessage;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{Instrument as _, Span, info, info_span, warn};

use super::message;
use crate::agent::Agent;
use crate::blocking::to_its_end;
use crate::delivery::{Answer, Delete, Put};
use crate::holdings::Holdings;
use crate::tracer::Tracer;

/// How many puts and deletes wait here before the stream is read no further.
pub(super) const WORK_MAX: usize = 64;
/// How many are applied side by side. More than 32 brought a kube-apiserver no further.
const APPLYING_MAX: usize = 32;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Work {
    Put(Arc<Put>),
    Delete(Delete),
    /// Nothing to do but to answer.
    Answer(Answer),
}

/// What was taken from the queue.
#[derive(Default)]
struct Bench {
    applying: JoinSet<Answer>,
    /// What is worked on for these.
    busy: HashSet<BindingId>,
    /// What waits for an earlier delivery of its binding.
    waiting: VecDeque<Work>,
}

/// Works until the queue ends, and answers each.
pub(super) async fn run(agent: &Agent, mut queue: mpsc::Receiver<Work>, out: mpsc::Sender<AgentMessage>) {
    let mut bench = Bench::default();
    let mut ended = false;
    while !(ended && bench.is_empty()) {
        tokio::select! {
            work = queue.recv(), if !ended && bench.has_room() => match work {
                Some(work) => bench.waiting.push_back(work),
                None => ended = true,
            },
            Some(answer) = bench.applying.join_next() => {
                // What was begun runs as a task of its own: its panic comes through here.
                let answer = answer.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
                bench.busy.remove(&answer.binding);
                match &answer.result {
                    Ok(_) => {
                        agent.surroundings.metrics.applied.inc();
                        let now = agent.surroundings.clock.uptime();
                        agent.with_drift(|memory| memory.applied(now, answer.binding));
                    }
                    Err(refusal) => agent.surroundings.metrics.count_rejected(refusal.kind),
                }
                agent.count_bindings().await;
                if out.send(message::answer(answer)).await.is_err() {
                    // The link is gone. What is applied is applied, and the next greeting says so.
                    return;
                }
            }
        }
        bench.begin(agent);
    }
}

impl Bench {
    fn is_empty(&self) -> bool {
        self.applying.is_empty() && self.waiting.is_empty()
    }

    fn has_room(&self) -> bool {
        self.applying.len() + self.waiting.len() < APPLYING_MAX
    }

    /// Begins whatever does not wait for an earlier delivery of the same binding.
    fn begin(&mut self, agent: &Agent) {
        for work in std::mem::take(&mut self.waiting) {
            // What waits is looked at in its order, so the first of a binding is the first to begin.
            if self.busy.insert(work.binding()) {
                self.applying.spawn(apply(agent.holdings().clone(), agent.tracer(), work));
            } else {
                self.waiting.push_back(work);
            }
        }
    }
}

/// Does one thing, to its end also if the link does not live to hear of it.
async fn apply(holdings: Arc<Holdings>, tracer: Tracer, work: Work) -> Answer {
    let span = work.span();
    let began = Instant::now();
    let done = async move {
        let answer = match work {
            Work::Put(put) => holdings.put(&put).await,
            Work::Delete(delete) => holdings.delete(delete).await,
            Work::Answer(answer) => answer,
        };
        match &answer.result {
            Ok(_) => info!("applied"),
            Err(refusal) => warn!(binding = %answer.binding, kind = %refusal.kind, cause = refusal.cause, "rejected"),
        }
        tracer.applied(&answer, began.elapsed());
        answer
    };
    to_its_end(done.instrument(span)).await
}

impl Work {
    fn binding(&self) -> BindingId {
        match self {
            Self::Put(put) => put.binding,
            Self::Delete(delete) => delete.binding,
            Self::Answer(answer) => answer.binding,
        }
    }

    fn span(&self) -> Span {
        match self {
            Self::Put(put) => {
                let trace = put.trace.map(|t| t.to_string()).unwrap_or_default();
                let Put { binding, revision, name, .. } = &**put;
                info_span!("delivery.apply", %trace, %binding, %revision, binding_name = name)
            }
            Self::Delete(Delete { binding, revision, purge, .. }) => {
                info_span!("delivery.remove", %binding, %revision, purge)
            }
            Self::Answer(_) => Span::current(),
        }
    }
}
