//! A loop that is judged for as long as it runs, and not before or after.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::Loops;

/// How often a loop says while it waits that it is not stuck.
const WAITING: Duration = Duration::from_secs(10);

/// A loop that runs. Dropped, it ended: also where it was cut in the middle, as by a link that was lost.
pub struct Turning {
    loops: Arc<Loops>,
    name: &'static str,
    waiting: Duration,
}

impl Turning {
    /// A loop begins that waits for what there is to do. From then on a round is ended by its own limits within `round_limit`, or says in
    /// between how far it is.
    pub fn begin(loops: &Arc<Loops>, name: &'static str, round_limit: Duration) -> Self {
        Self::waking(loops, name, round_limit, WAITING)
    }

    fn waking(loops: &Arc<Loops>, name: &'static str, round_limit: Duration, waiting: Duration) -> Self {
        loops.begin(name, waiting, round_limit);
        Self { loops: loops.clone(), name, waiting }
    }

    /// A round, or a step of it that has a limit of its own, ended: well or not.
    pub fn turned(&self) {
        self.loops.turned(self.name);
    }

    /// A round did what it is for.
    pub fn progressed(&self) {
        self.loops.progressed(self.name);
    }

    /// Waits for what there is to do, which may never come: who waits is not stuck.
    pub async fn wait<F: Future>(&self, wait: F) -> F::Output {
        let mut wait = pin!(wait);
        loop {
            let waited = timeout(self.waiting, &mut wait).await;
            self.turned();
            if let Ok(came) = waited {
                return came;
            }
        }
    }
}

impl Drop for Turning {
    fn drop(&mut self) {
        self.loops.end(self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::core::Collector as _;
    use prometheus::{IntGaugeVec, Opts};
    use tokio::time::Instant;

    const MINUTE: Duration = Duration::from_mins(1);

    fn loops() -> Arc<Loops> {
        let gauge = |name: &str| IntGaugeVec::new(Opts::new(name, "."), &["loop"]).unwrap();
        Arc::new(Loops::new(gauge("progress"), gauge("turned"), gauge("limit"), || 7))
    }

    #[tokio::test]
    async fn a_loop_is_not_stuck_while_it_waits_for_what_never_comes() {
        let loops = loops();
        let turning = Turning::waking(&loops, "state", MINUTE, Duration::from_millis(1));
        let began = Instant::now();
        let nothing = timeout(Duration::from_millis(200), turning.wait(std::future::pending::<()>())).await;
        assert!(nothing.is_err());
        assert_eq!(loops.stuck(began + MINUTE + Duration::from_millis(50)), []);
    }

    #[tokio::test]
    async fn a_loop_whose_round_hangs_is_stuck_until_a_step_of_it_ends() {
        let loops = loops();
        let turning = Turning::begin(&loops, "state", MINUTE);
        turning.wait(async {}).await;
        let names = |stuck: Vec<super::super::Stuck>| stuck.into_iter().map(|stuck| stuck.name).collect::<Vec<_>>();
        let limit = WAITING * super::super::INTERVALS + MINUTE;
        let late = Instant::now() + limit + Duration::from_secs(1);
        assert_eq!(names(loops.stuck(late)), ["state"]);
        loops.turned_at("state", late);
        assert_eq!(names(loops.stuck(late + limit)), Vec::<String>::new());
    }

    #[test]
    fn a_loop_that_was_cut_is_judged_no_more_and_has_no_series_until_it_begins_again() {
        let loops = loops();
        let late = || loops.stuck(Instant::now() + 10 * MINUTE).len();
        drop(Turning::begin(&loops, "drift", MINUTE));
        loops.turned("drift");
        let series = loops.turned.collect().iter().flat_map(|family| family.get_metric().to_vec()).count();
        assert_eq!((late(), series), (0, 0), "the link was lost");
        let _again = Turning::begin(&loops, "drift", MINUTE);
        assert_eq!(late(), 1, "linked again, it is judged again");
    }
}
