//! Telling how restarts go.

use lockstep_proto::v1::AgentMessage;
use tokio::sync::mpsc;

use super::message;
use crate::agent::Agent;
use crate::restart::Reports;

/// Reports in one message; the rest follows in the next.
const REPORTS_MAX: usize = 100;

/// Tells all there is, and then what is new; ends with the link.
pub(super) async fn run(agent: &Agent, out: mpsc::Sender<AgentMessage>) {
    let Some(restarts) = agent.holdings().restarts() else { return std::future::pending().await };
    let (mut reports, mut told) = (restarts.reports(), Reports::new());
    loop {
        let now = reports.borrow_and_update().clone();
        let news: Vec<_> =
            now.iter().filter(|(binding, report)| told.get(binding) != Some(report)).map(|(_, report)| report).collect();
        for some in news.chunks(REPORTS_MAX) {
            if out.send(message::restarts(some.iter().copied())).await.is_err() {
                return;
            }
        }
        told = now;
        if reports.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
