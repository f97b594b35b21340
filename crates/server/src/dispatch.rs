//! Dispatch: on each commit, and on a timer, tells connected clusters' sessions what changed for them.
//!
//! NOTIFY wakes; the sweep guarantees. One query serves all clusters of this replica.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lockstep_core::history::{Mark, Standing};
use lockstep_core::id::{ClusterId, SessionId};
use lockstep_store::desired::{self, Facts, Which};
use lockstep_store::notify::{Listener, Woken};
use lockstep_store::{PgPool, Result, pool};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::gateway::{Command, Sessions};
use crate::history_mark::HistoryMark;
use crate::sources::Sources;
use crate::watch::Hints;

/// From the begin of one look to the next: the first of several commits is looked at without delay, and what comes meanwhile together.
const PACE: Duration = Duration::from_millis(5);
/// How long one look may take.
const ROUND_LIMIT: Duration = Duration::from_secs(30);
/// The pause before listening is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Wakes dispatch on this replica.
#[derive(Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Something may have changed.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// The dispatch loop.
pub struct Dispatch {
    /// The replica's shared parts.
    pub app: App,
    /// Where what a commit changed is looked for.
    pub finding: PgPool,
    /// Whom to tell.
    pub sessions: Arc<Sessions>,
    /// What wakes it.
    pub wake: Wake,
    /// Holds the registry when it no longer has what was dispatched from it.
    pub history: Arc<HistoryMark>,
}

impl Dispatch {
    /// Runs until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let sweep = Duration::from_millis(self.app.config.agents.sweep_ms);
        let mut next_sweep = tokio::time::Instant::now() + sweep;
        let mut position = Mark::ORIGIN;
        let mut sweeping = true;
        self.app.metrics.loops.begin("dispatch", sweep, ROUND_LIMIT);
        while !stop.is_cancelled() {
            let next_look = tokio::time::Instant::now() + PACE;
            let looked = pool::within(ROUND_LIMIT, self.activate(position, sweeping)).await;
            self.app.metrics.loops.turned("dispatch");
            match looked {
                Ok(now) => {
                    position = now;
                    self.app.metrics.progressed("dispatch");
                }
                Err(error) => {
                    tracing::warn!(%error, "dispatch waits for the registry");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            }
            tokio::select! {
                () = self.wake.0.notified() => {
                    sweeping = false;
                    tokio::time::sleep_until(next_look).await;
                }
                () = tokio::time::sleep_until(next_sweep) => {
                    sweeping = true;
                    next_sweep = tokio::time::Instant::now() + sweep;
                }
                () = stop.cancelled() => {}
            }
        }
    }

    /// Tells every session what changed since `last`, or on a sweep all that is not in step.
    async fn activate(&self, last: Mark, sweeping: bool) -> Result<Mark> {
        if sweeping {
            self.app.sources.forget_specs();
        }
        let here: BTreeMap<ClusterId, SessionId> = self.sessions.ids().into_iter().collect();
        let clusters: Vec<ClusterId> = here.keys().copied().collect();
        let (which, pool) =
            if sweeping { (Which::NotInStep, &self.app.pool) } else { (Which::ChangedSince(last.seq), &self.finding) };
        let mut connection = pool::acquire(pool).await?;
        let snapshot = desired::read(&mut connection, &clusters, which, &last).await?;
        drop(connection);
        let head = snapshot.registry.head;
        let cut = snapshot.standing == Standing::Cut;
        if cut {
            self.history.hold_replaced(&last).await?;
        }
        let mut by_cluster: BTreeMap<ClusterId, Vec<Facts>> = clusters.iter().map(|c| (*c, Vec::new())).collect();
        for facts in snapshot.facts {
            by_cluster.entry(facts.cluster).or_default().push(facts);
        }
        for (cluster, facts) in by_cluster {
            if let (false, Some(session), Some(life)) = (cut, here.get(&cluster), snapshot.revoked.get(&cluster)) {
                self.sessions.judge(cluster, *session, life);
            }
            if cut || head.epoch != last.epoch {
                self.sessions.tell(cluster, Command::Reload);
                continue;
            }
            let withheld = snapshot.registry.held.clone().or_else(|| snapshot.withheld.get(&cluster).cloned());
            let confirmed = snapshot.confirmed.get(&cluster).copied().unwrap_or_default();
            self.sessions.tell(cluster, Command::Offer { head, withheld, confirmed, facts });
        }
        Ok(head)
    }
}

/// Listens for commits and passes them on, for as long as the replica runs. A broken connection counts as a commit.
pub async fn listen(url: String, wake: Wake, hints: Hints, sources: Arc<Sources>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let listening = async {
            let mut listener = Listener::connect(&url).await?;
            // Whatever was committed while nobody listened.
            sources.forget_specs();
            wake.wake();
            hints.hint();
            loop {
                match listener.woken().await? {
                    // The commonest change and the one that is to be quick: it binds nothing, so no watcher need look for more.
                    Woken::Versions => wake.wake(),
                    Woken::Look(source) => hints.look(source),
                    Woken::Changed | Woken::Reconnected => {
                        sources.forget_specs();
                        wake.wake();
                        hints.hint();
                    }
                }
            }
            #[expect(unreachable_code, reason = "gives the block its type")]
            Ok::<(), lockstep_store::StoreError>(())
        };
        tokio::select! {
            result = listening => if let Err(error) = result {
                tracing::warn!(%error, "commits are not heard of; sweeps go on");
                tokio::time::sleep(RETRY).await;
            },
            () = stop.cancelled() => {}
        }
    }
}
