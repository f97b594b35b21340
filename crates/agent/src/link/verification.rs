//! Looking whether what was applied is still there: at everything every so often, and at once at what a sink saw changing.

use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use lockstep_core::id::BindingId;
use lockstep_proto::v1::agent_message::Message;
use lockstep_proto::v1::{AgentMessage, Need, Report};
use lockstep_telemetry::loops::Turning;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::message::{self, bindings, from_agent};
use crate::agent::Agent;
use crate::blocking::to_its_end;
use crate::delivery::{Answer, Refusal, RefusalKind};
use crate::holdings::Checked;
use crate::loops::DRIFT;
use crate::need::{Fight, Findings};

/// How many bindings are looked at side by side: few, so that deliveries come first.
const LOOKS_AT_ONCE: usize = 4;

/// Looks, and says what it finds; ends with the link. `held`: nothing would be sent, so nothing is asked for, and why.
pub(super) async fn run(agent: &Agent, interval: Duration, held: Option<&str>, out: mpsc::Sender<AgentMessage>) {
    let turning = DRIFT.begin(&agent.surroundings.metrics);
    if let Some(why) = held {
        agent.holdings().tell_held(why).await;
    }
    let held = held.is_some();
    // The inventory of this stream was just taken, so the first look at everything comes after one interval.
    let mut next = Instant::now() + interval;
    loop {
        let came = async {
            tokio::select! {
                () = sleep_until(next) => Came::Everything,
                touched = agent.holdings().touched() => Came::Touched(touched.into_iter().collect()),
                () = until_due(agent, held) => Came::Due,
            }
        };
        let (looked_at, all) = match turning.wait(came).await {
            Came::Everything => {
                next = Instant::now() + interval;
                (agent.holdings().held_bindings().await, true)
            }
            Came::Touched(touched) => (touched, false),
            Came::Due => {
                let now = agent.surroundings.clock.uptime();
                (agent.with_drift(|memory| memory.due(now)), false)
            }
        };
        if look(agent, looked_at, all, held, &out, &turning).await.is_none() {
            return;
        }
        turning.progressed();
    }
}

/// What there is to look at.
enum Came {
    Everything,
    Touched(Vec<BindingId>),
    /// What was found before may be asked for now.
    Due,
}

/// Waits until something that was found before may be asked for.
async fn until_due(agent: &Agent, held: bool) {
    match agent.with_drift(|memory| memory.next_due()) {
        Some(due) if !held => sleep(due.saturating_sub(agent.surroundings.clock.uptime())).await,
        _ => std::future::pending().await,
    }
}

/// One look; `None` when the link is gone.
async fn look(
    agent: &Agent,
    looked_at: Vec<BindingId>,
    all: bool,
    held: bool,
    out: &mpsc::Sender<AgentMessage>,
    turning: &Turning,
) -> Option<()> {
    let looks: Vec<_> = looked_at.into_iter().map(|binding| check(agent, binding)).collect();
    let checked: Vec<_> = stream::iter(looks).buffered(LOOKS_AT_ONCE).inspect(|_| turning.turned()).collect().await;
    let now = agent.surroundings.clock.uptime();
    let findings = agent.with_drift(|memory| {
        let still = |(binding, checked, at)| (binding, if memory.is_overtaken(binding, at) { Checked::Unknown } else { checked });
        let checked: Vec<_> = checked.into_iter().map(still).collect();
        memory.digest(now, &checked, all, !held)
    });
    tell(agent, findings, out).await
}

/// Tells what was found when the server was greeted: what changed while the agent or the link was down is drift as any other.
pub(super) async fn greeted(agent: &Agent, checked: &[(BindingId, Checked)], out: &mpsc::Sender<AgentMessage>) -> Option<()> {
    let now = agent.surroundings.clock.uptime();
    let findings = agent.with_drift(|memory| memory.greeted(now, checked));
    tell(agent, findings, out).await
}

async fn tell(agent: &Agent, findings: Findings, out: &mpsc::Sender<AgentMessage>) -> Option<()> {
    if !findings.report.is_empty() {
        agent.surroundings.metrics.drift.inc_by(findings.report.len() as u64);
        tracing::warn!(bindings = ?findings.report, "targets were changed or removed by somebody else");
        out.send(from_agent(Message::Report(Report { drifted: bindings(&findings.report), ..Report::default() }))).await.ok()?;
    }
    for fight in findings.fights {
        if let Some(answer) = conflict(agent, fight).await {
            out.send(message::answer(answer)).await.ok()?;
        }
    }
    if !findings.need.is_empty() {
        out.send(from_agent(Message::Need(Need { bindings: bindings(&findings.need) }))).await.ok()?;
    }
    Some(())
}

/// Looks at one binding, and says when it was so.
async fn check(agent: &Agent, binding: BindingId) -> (BindingId, Checked, Duration) {
    // A look that was begun is finished: it may complete a write.
    let holdings = agent.holdings().clone();
    let checked = to_its_end(async move { holdings.check(binding).await }).await;
    (binding, checked, agent.surroundings.clock.uptime())
}

/// What is said of a binding that somebody else writes again and again.
async fn conflict(agent: &Agent, Fight { binding, by, pause }: Fight) -> Option<Answer> {
    let revision = agent.holdings().held_revision(binding).await?;
    let (place, who) = match by {
        Some((place, manager)) => (format!("Secret {place}"), format!("field manager {manager:?}")),
        None => ("its target".to_owned(), "somebody".to_owned()),
    };
    let cause = format!(
        "{who} changes {place} again and again: let only one of the two write it; it is restored again {} s after the last time",
        pause.as_secs()
    );
    tracing::warn!(%binding, cause, "a fight over a target");
    Some(Answer { binding, revision, trace: None, result: Err(Refusal { kind: RefusalKind::Conflict, cause }) })
}
