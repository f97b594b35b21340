//! How long a change takes on its way: from the watcher having the source's answer to the commit, to the agent's link, to the confirmation.
//!
//! The registry's clock dates the change, on whichever replica that was, and is asked again here, on the replica that sent: one clock for both ends,
//! so no two hosts' clocks are compared. What lies between the look and the change's date, and between the event here and the question, was
//! measured where it happened, by a clock that only moves forward.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockstep_core::revision::Seq;
use lockstep_store::{Result, change, pool};
use prometheus::HistogramVec;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// The most that waits to be noted. More than a replica sends in a second.
pub const WAITING_MAX: usize = 20_000;
/// How often the registry is asked, if there is anything to ask.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long it may take.
const ROUND_LIMIT: Duration = Duration::from_secs(10);
const LOOP: &str = "propagation";

/// A stage of a change's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is in the registry.
    Committed,
    /// It is on an agent's link.
    Sent,
    /// The agent confirmed it.
    Applied,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Sent => "sent",
            Self::Applied => "applied",
        }
    }
}

/// Times of changes.
pub struct Propagation {
    seconds: HistogramVec,
    waiting: Mutex<Vec<Passed>>,
}

/// A delivery passed a stage.
struct Passed {
    stage: Stage,
    /// The change that its content comes from.
    seq: Seq,
    at: Instant,
}

impl Propagation {
    /// None yet.
    pub fn new(seconds: HistogramVec) -> Self {
        Self { seconds, waiting: Mutex::default() }
    }

    /// Versions were committed, so long after they were seen.
    pub fn committed(&self, took: Duration, versions: usize) {
        for _ in 0..versions {
            self.note(Stage::Committed, took);
        }
    }

    /// A delivery passes a stage now. `false`: too many wait to be noted, and this is not.
    pub fn passed(&self, stage: Stage, seq: Seq) -> bool {
        let mut waiting = self.lock();
        let has_room = waiting.len() < WAITING_MAX;
        if has_room {
            waiting.push(Passed { stage, seq, at: Instant::now() });
        }
        has_room
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.lock().len()
    }

    fn note(&self, stage: Stage, took: Duration) {
        self.seconds.with_label_values(&[stage.as_str()]).observe(took.as_secs_f64());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Passed>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes times until told to stop.
pub async fn run(app: App, stop: CancellationToken) {
    app.metrics.loops.begin(LOOP, INTERVAL, ROUND_LIMIT);
    while !stop.is_cancelled() {
        match pool::within(ROUND_LIMIT, activate(&app)).await {
            Ok(()) => app.metrics.progressed(LOOP),
            Err(error) => tracing::debug!(%error, "times of deliveries were not noted"),
        }
        app.metrics.loops.turned(LOOP);
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// One round. What waits is taken first: times that could not be noted are lost, which costs a few in a figure of many.
async fn activate(app: &App) -> Result<()> {
    let propagation = &app.metrics.propagation;
    let waiting = std::mem::take(&mut *propagation.lock());
    if waiting.is_empty() {
        return Ok(());
    }
    let mut seqs: Vec<Seq> = waiting.iter().map(|passed| passed.seq).collect();
    seqs.sort_unstable();
    seqs.dedup();
    let mut connection = pool::acquire(&app.pool).await?;
    let asked = Instant::now();
    let ages = change::observed_ages(&mut connection, &seqs).await?;
    for passed in waiting {
        // One that comes from no observation is a person's doing: that is not propagation.
        if let Some(age) = ages.get(&passed.seq) {
            propagation.note(passed.stage, age.saturating_sub(asked.saturating_duration_since(passed.at)));
        }
    }
    Ok(())
}
