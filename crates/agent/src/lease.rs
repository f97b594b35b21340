//! The Lease by which one agent of a cluster works while the others stand by.
//!
//! Nobody's wall clock decides. A standby takes a Lease over once it has seen no change in it for its whole duration, by the standby's
//! own monotonic clock; the holder stops before that, counting by its own from before its last renewal was sent. Every write carries
//! the resourceVersion that was seen, so of two that try, one is refused.

mod held;
mod leadership;
mod object;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::agent::Surroundings;
use crate::clock::Clock;
use crate::kubernetes::{Kubernetes, RequestError};
use crate::loops::LEASE;
pub(crate) use held::Lease;
pub(crate) use leadership::{Leadership, NotLeader};
use object::LeaseObject;

/// How often a standby looks, so how soon it takes over what was released.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How an agent stands to its cluster's Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It cannot tell yet, and why.
    Unknown(String),
    /// Another one leads; this one would take over.
    Standby,
    /// It works.
    Leader,
}

/// What a Lease says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    /// `None` where it was released, or never held.
    holder: Option<String>,
    /// How often it was acquired.
    term: u64,
    /// Changes at each renewal; compared, never read as a time.
    renewed: Option<String>,
    /// How long it lasts without a renewal.
    duration: Duration,
}

/// What a Lease says, and since when nobody changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    said: Said,
    /// By our own monotonic clock: when it was first seen like this.
    since: Duration,
}

/// What to do about a Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nobody holds it any more.
    Acquire,
    /// We hold it.
    Renew,
    /// Another one holds it.
    Wait,
}

impl Seen {
    /// After looking again at `now`.
    fn look(before: Option<Self>, said: Said, now: Duration) -> Self {
        match before {
            Some(before) if before.said == said => before,
            _ => Self { said, since: now },
        }
    }

    fn is_over(&self, now: Duration) -> bool {
        self.said.holder.is_none() || now.saturating_sub(self.since) >= self.said.duration
    }
}

/// What `us` does at `now` about a Lease that was seen so.
fn decide(now: Duration, us: &str, seen: &Seen) -> Step {
    match &seen.said.holder {
        Some(holder) if holder == us => Step::Renew,
        _ if seen.is_over(now) => Step::Acquire,
        _ => Step::Wait,
    }
}

/// Stands by until the Lease `name` is ours; `None` when asked to end before. No outage and no refusal ends it: who stands by has
/// nothing better to do than to try again, and says meanwhile in `standing` what is wrong.
pub(crate) async fn acquire(
    kubernetes: &Kubernetes,
    name: &str,
    duration: Duration,
    surroundings: &Surroundings,
    standing: &watch::Sender<Standing>,
) -> Option<Lease> {
    let Surroundings { clock, metrics, stop, .. } = surroundings;
    let turning = LEASE.begin(metrics);
    let us = format!("{}_{:08x}", kubernetes.pod, rand::random::<u32>());
    let object = LeaseObject::new(kubernetes, name, us, duration);
    let mut seen: Option<Seen> = None;
    loop {
        let tried = look_and_try(&object, clock, &mut seen).await;
        turning.turned();
        if tried.is_ok() {
            turning.progressed();
        }
        match tried {
            Ok(Some(lease)) => {
                tracing::info!(lease = name, term = lease.term(), "this agent leads");
                return Some(lease);
            }
            Ok(None) => stand(standing, Standing::Standby),
            // Somebody was quicker; the next look tells who.
            Err(error) if error.is_conflict() => stand(standing, Standing::Standby),
            Err(error) => {
                let advice = if error.is_transient() { "" } else { "; see what the agent's Role allows" };
                stand(standing, Standing::Unknown(format!("Lease {}/{name}: {error}{advice}", kubernetes.namespace)));
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_INTERVAL.min(duration / 3)) => {}
            () = stop.cancelled() => return None,
        }
    }
}

async fn look_and_try(
    object: &LeaseObject,
    clock: &Arc<dyn Clock>,
    seen: &mut Option<Seen>,
) -> Result<Option<Lease>, RequestError> {
    let found = match object.read().await? {
        Some(found) => found,
        // Somebody removed it under its holder, who may not know yet: as if it were there unchanged.
        None if seen.as_ref().is_some_and(|seen| !seen.is_over(clock.uptime())) => return Ok(None),
        None => object.create().await?,
    };
    let looked = Seen::look(seen.take(), object.said(&found), clock.uptime());
    let (step, term) = (decide(clock.uptime(), object.us(), &looked), looked.said.term);
    *seen = Some(looked);
    let term = match step {
        Step::Wait => return Ok(None),
        Step::Acquire => term + 1,
        // Acquired already, and the answer was lost.
        Step::Renew => term,
    };
    let sent = clock.uptime();
    let held = object.hold(found, term, clock.now()).await?;
    Ok(Some(Lease::new(object.clone(), held, term, clock.clone(), sent)))
}

fn stand(standing: &watch::Sender<Standing>, now: Standing) {
    standing.send_if_modified(|before| {
        let changed = *before != now;
        match &now {
            Standing::Unknown(why) if changed => tracing::warn!(why, "cannot stand by yet"),
            Standing::Standby if changed => tracing::info!("another agent of this cluster leads; standing by"),
            _ => {}
        }
        *before = now;
        changed
    });
}

#[cfg(test)]
mod tests;
