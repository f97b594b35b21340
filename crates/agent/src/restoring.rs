//! While no server is linked: Secrets that were changed or removed come back from the cache, if that keeps them.
//!
//! The pauses are those of drift that a server is asked about ([`crate::need`]): two that write the same thing must not become load.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use lockstep_core::id::BindingId;
use lockstep_telemetry::loops::Turning;
use tokio::time::{Instant, sleep, sleep_until};

use crate::agent::Agent;
use crate::blocking::to_its_end;
use crate::holdings::{Checked, NotRestored};
use crate::loops::RESTORING;

/// How many bindings are looked at side by side, as while linked.
const LOOKS_AT_ONCE: usize = 4;
/// How often everything is looked at; what a watch sees is looked at once.
const LOOK_INTERVAL: Duration = Duration::from_mins(1);

/// What there is to look at.
enum Came {
    Everything,
    Touched(Vec<BindingId>),
    /// What was found before may be restored now.
    Due,
    /// A server is asked from now on.
    Linked,
}

/// Looks after Secrets whenever there is no link.
pub(crate) async fn run(agent: &Agent) -> Infallible {
    if !agent.holdings().keeps_secrets() {
        return std::future::pending().await;
    }
    let mut linked = agent.linked();
    loop {
        if linked.wait_for(|is_linked| !is_linked).await.is_err() {
            return std::future::pending().await;
        }
        until_linked(agent).await;
    }
}

async fn until_linked(agent: &Agent) {
    let turning = RESTORING.begin(&agent.surroundings.metrics);
    let mut said = BTreeMap::new();
    let mut next = Instant::now();
    loop {
        let came = async {
            let mut linked = agent.linked();
            tokio::select! {
                _ = linked.wait_for(|is_linked| *is_linked) => Came::Linked,
                () = sleep_until(next) => Came::Everything,
                touched = agent.holdings().touched() => Came::Touched(touched.into_iter().collect()),
                () = until_due(agent) => Came::Due,
            }
        };
        let looked_at = match turning.wait(came).await {
            Came::Linked => return,
            Came::Everything => {
                next = Instant::now() + LOOK_INTERVAL;
                agent.holdings().held_secrets().await
            }
            Came::Touched(touched) => touched,
            Came::Due => {
                let now = agent.surroundings.clock.uptime();
                agent.with_drift(|memory| memory.due(now))
            }
        };
        look(agent, looked_at, &turning, &mut said).await;
        turning.progressed();
    }
}

/// Waits until something that was found before may be restored.
async fn until_due(agent: &Agent) {
    match agent.with_drift(|memory| memory.next_due()) {
        Some(due) => sleep(due.saturating_sub(agent.surroundings.clock.uptime())).await,
        None => std::future::pending().await,
    }
}

/// One look. It is ended also if a link comes in the meantime: what is lost is restored by whoever sees it first.
async fn look(agent: &Agent, looked_at: Vec<BindingId>, turning: &Turning, said: &mut BTreeMap<BindingId, String>) {
    let looks: Vec<_> = looked_at.into_iter().map(|binding| check(agent, binding)).collect();
    let checked: Vec<_> = stream::iter(looks).buffered(LOOKS_AT_ONCE).inspect(|_| turning.turned()).collect().await;
    let now = agent.surroundings.clock.uptime();
    let may_restore = !*agent.linked().borrow();
    let findings = agent.with_drift(|memory| memory.digest(now, &checked, false, may_restore));
    if !findings.report.is_empty() {
        agent.surroundings.metrics.drift.inc_by(findings.report.len() as u64);
        tracing::warn!(bindings = ?findings.report, "targets were changed or removed by somebody else, and no server can be asked");
    }
    for fight in findings.fights {
        let (binding, pause_s) = (fight.binding, fight.pause.as_secs());
        tracing::warn!(%binding, pause_s, by = ?fight.by, "a fight over a target: let only one of the two write it");
    }
    let restores: Vec<_> = findings.need.into_iter().map(|binding| restore(agent, binding)).collect();
    let mut restores = stream::iter(restores).buffered(LOOKS_AT_ONCE);
    while let Some((binding, restored)) = restores.next().await {
        turning.turned();
        match restored {
            Ok(()) => {
                said.remove(&binding);
                let now = agent.surroundings.clock.uptime();
                agent.with_drift(|memory| memory.applied(now, binding));
                agent.surroundings.metrics.restored.inc();
                tracing::warn!(%binding, "restored from the cache: no server could be asked");
            }
            Err(NotRestored::NotLost | NotRestored::NotASecret) => {}
            Err(why) => {
                let why = why.to_string();
                if said.get(&binding) != Some(&why) {
                    tracing::warn!(%binding, why, "not restored from the cache; a server restores it once one is linked");
                    said.insert(binding, why);
                }
            }
        }
    }
}

async fn check(agent: &Agent, binding: BindingId) -> (BindingId, Checked) {
    // A look that was begun is finished: it may complete a write.
    let holdings = agent.holdings().clone();
    (binding, to_its_end(async move { holdings.check(binding).await }).await)
}

async fn restore(agent: &Agent, binding: BindingId) -> (BindingId, Result<(), NotRestored>) {
    let holdings = agent.holdings().clone();
    (binding, to_its_end(async move { holdings.restore(binding).await }).await)
}
