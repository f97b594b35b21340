//! Background loops that stand still. A loop that is alive and does nothing looks like one that has nothing to do; so each says whenever it came
//! round, and how long it may take at most.
//!
//! What counts is that a round *ends*, well or not: each has time limits of its own, so that with Postgres or a Vault away its rounds fail, and the
//! loop still turns. One that does not come round has lost itself in something that no limit ends, which only a restart heals. A dependency that
//! is away must never look like that: all replicas would be restarted, and again, for nothing ([ADR 0037]).
//!
//! [ADR 0037]: ../../../docs/adr/0037-what-a-process-shows-of-itself.md

mod turning;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::IntGaugeVec;
use tokio::time::Instant;

pub use turning::Turning;

/// How many times its interval a loop may stay away, beside the time limit of one round: a busy machine is late, not stuck.
const INTERVALS: u32 = 3;
/// And no loop is judged before this.
const SHORTEST: Duration = Duration::from_secs(30);

/// The loops of this process.
pub struct Loops {
    /// The time of day, in Unix seconds: for the gauges only.
    clock: Box<dyn Fn() -> i64 + Send + Sync>,
    progress: IntGaugeVec,
    turned: IntGaugeVec,
    limit: IntGaugeVec,
    running: Mutex<BTreeMap<String, Running>>,
}

struct Running {
    limit: Duration,
    /// When it last came round, or began.
    at: Instant,
}

/// A loop that is stuck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Which.
    pub name: String,
    /// For how long it did not come round.
    pub since: Duration,
    /// How long that may take.
    pub limit: Duration,
}

impl Loops {
    /// None yet.
    pub fn new(
        progress: IntGaugeVec,
        turned: IntGaugeVec,
        limit: IntGaugeVec,
        clock: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Self {
        Self { clock: Box::new(clock), progress, turned, limit, running: Mutex::default() }
    }

    /// A loop begins, of which a round is begun each `interval`, and ended by its own limits within `round_limit`.
    pub fn begin(&self, name: &str, interval: Duration, round_limit: Duration) {
        let limit = (interval * INTERVALS + round_limit).max(SHORTEST);
        self.limit.with_label_values(&[name]).set(i64::try_from(limit.as_secs()).unwrap_or(i64::MAX));
        self.lock().insert(name.to_owned(), Running { limit, at: Instant::now() });
        // Without this, one that hangs in its first round has no series, and no alert.
        self.turned.with_label_values(&[name]).set((self.clock)());
    }

    /// A round ended, well or not.
    pub fn turned(&self, name: &str) {
        self.turned_at(name, Instant::now());
    }

    fn turned_at(&self, name: &str, now: Instant) {
        // One that ended meanwhile has no series any more, and gets none: an alert would find it standing still for ever.
        if let Some(running) = self.lock().get_mut(name) {
            running.at = now;
            self.turned.with_label_values(&[name]).set((self.clock)());
        }
    }

    /// A round did what it is for.
    pub fn progressed(&self, name: &str) {
        self.progress.with_label_values(&[name]).set((self.clock)());
    }

    /// The loop ended as it should: its source was removed.
    pub fn end(&self, name: &str) {
        self.lock().remove(name);
        for gauge in [&self.progress, &self.turned, &self.limit] {
            let _ = gauge.remove_label_values(&[name]);
        }
    }

    /// Those that are stuck.
    pub fn stuck(&self, now: Instant) -> Vec<Stuck> {
        let stuck = |(name, running): (&String, &Running)| {
            let since = now.saturating_duration_since(running.at);
            (since > running.limit).then(|| Stuck { name: name.clone(), since, limit: running.limit })
        };
        self.lock().iter().filter_map(stuck).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an operator reads, and Kubernetes shows with the restart.
pub fn told(stuck: &[Stuck]) -> String {
    let mut text = String::new();
    for Stuck { name, since, limit } in stuck {
        let (since, limit) = (since.as_secs(), limit.as_secs());
        let _ = writeln!(
            text,
            "loop {name} did not come round for {since} s, and has {limit} s at most: it is stuck, and only a restart helps"
        );
    }
    text
}

/// Where a test hangs a loop: the one that is named in `LOCKSTEP_HANG`. Only in builds with debug assertions: a release has no such thing.
#[cfg(debug_assertions)]
pub async fn hang_point(name: &str) {
    if std::env::var("LOCKSTEP_HANG").is_ok_and(|wanted| wanted == name) {
        std::future::pending::<()>().await;
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
#[expect(clippy::unused_async, reason = "the other one waits")]
pub async fn hang_point(_name: &str) {}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::Opts;
    use prometheus::core::Collector as _;

    fn loops() -> Loops {
        let gauge = |name: &str| IntGaugeVec::new(Opts::new(name, "."), &["loop"]).unwrap();
        Loops::new(gauge("progress"), gauge("turned"), gauge("limit"), || 7)
    }

    #[test]
    fn a_loop_that_hangs_in_its_first_round_has_a_time_from_which_it_stands_still() {
        let loops = loops();
        loops.begin("slow", Duration::from_secs(10), Duration::from_secs(30));
        let shown = |gauge: &IntGaugeVec| gauge.collect().iter().flat_map(|family| family.get_metric().to_vec()).count();
        assert_eq!(loops.turned.with_label_values(&["slow"]).get(), 7);
        assert_eq!(shown(&loops.progress), 0, "it did nothing yet");
        loops.end("slow");
        assert_eq!(shown(&loops.turned), 0);
    }

    #[test]
    fn a_loop_is_stuck_once_it_stayed_away_for_three_intervals_and_the_limit_of_a_round() {
        let loops = loops();
        loops.begin("slow", Duration::from_secs(10), Duration::from_secs(30));
        loops.begin("quick", Duration::from_secs(1), Duration::from_secs(2));
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(loops.stuck(after(29)), [], "none is judged before half a minute");
        loops.turned_at("quick", after(29));
        assert_eq!(loops.stuck(after(58)), [], "one came round, the other has a minute");
        let stuck = loops.stuck(after(61));
        assert_eq!(stuck.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["quick", "slow"]);
        assert!(told(&stuck).contains("loop slow did not come round for 61 s, and has 60 s at most"), "{}", told(&stuck));
        loops.turned_at("quick", after(61));
        loops.end("slow");
        assert_eq!(loops.stuck(after(62)), [], "one came round after all, the other is not there any more");
    }
}
