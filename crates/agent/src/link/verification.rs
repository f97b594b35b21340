//! Looking, every so often, whether what was applied is still there.

use std::time::Duration;

use lockstep_proto::v1::agent_message::Message;
use lockstep_proto::v1::{AgentMessage, Need, Report};
use tokio::sync::mpsc;

use super::message::{bindings, from_agent};
use crate::agent::Agent;
use crate::blocking::to_its_end;

/// Looks every `interval` and says what it finds; ends with the link. `held`: nothing would be sent, so nothing is asked for.
pub(super) async fn run(agent: &Agent, interval: Duration, held: bool, out: mpsc::Sender<AgentMessage>) {
    loop {
        // The inventory of this stream was just taken, so the first look comes after one interval.
        tokio::time::sleep(interval).await;
        let mut checked = Vec::new();
        for binding in agent.holdings().held_bindings().await {
            // One at a time, so that deliveries come first. A look that was begun is finished: it may complete a write.
            let holdings = agent.holdings().clone();
            checked.push((binding, to_its_end(async move { holdings.check(binding).await }).await));
        }
        let findings = agent.with_drift(|memory| memory.digest(agent.surroundings.clock.uptime(), &checked));
        if !findings.report.is_empty() {
            agent.surroundings.metrics.drift.inc_by(findings.report.len() as u64);
            tracing::warn!(bindings = ?findings.report, "targets were changed or removed by somebody else");
            let report = Report { drifted: bindings(&findings.report), ..Report::default() };
            if out.send(from_agent(Message::Report(report))).await.is_err() {
                return;
            }
        }
        if !findings.need.is_empty() && !held {
            let need = Need { bindings: bindings(&findings.need) };
            if out.send(from_agent(Message::Need(need))).await.is_err() {
                return;
            }
        }
    }
}
