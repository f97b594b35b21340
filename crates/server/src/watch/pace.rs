//! When a watcher looks at its source, and when it only keeps the lease. Pure: time and randomness come in.

use std::time::Duration;

use tokio::time::Instant;

/// The longest pause after failures, unless the interval is longer.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The longest that a source may ask to be left alone: more would look like a watcher that died.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// What a round of the lease is for. Each renews it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// The source is looked at, if that is due.
    Look,
    /// The source is left alone.
    RenewOnly,
}

/// How a watcher's looks went, and what follows for the next one.
pub(super) struct Pace {
    /// How often a source that answers is looked at.
    interval: Duration,
    /// How long the lease may go without being renewed: less than its life, so that one renewal that fails loses nothing.
    renewal: Duration,
    /// Looks that failed in a row in this term.
    failures: u32,
    /// Until then the source is left alone, whatever is due or hinted.
    not_before: Option<Instant>,
}

impl Pace {
    /// For a lease that lives as long as `life`.
    pub(super) fn new(interval: Duration, life: Duration) -> Self {
        Self { interval, renewal: life / 3, failures: 0, not_before: None }
    }

    /// A new term of the lease: whoever got it may look at once. What failed before may have been this replica's own way to the source.
    pub(super) fn begin_term(&mut self) {
        self.failures = 0;
        self.not_before = None;
    }

    /// What the round that begins now is for.
    pub(super) fn round(&self, now: Instant) -> Round {
        if self.left_alone(now).is_zero() { Round::Look } else { Round::RenewOnly }
    }

    /// How long the watcher rests before its next round if a look is wanted after `wanted`.
    pub(super) fn rest(&self, wanted: Duration, now: Instant) -> Duration {
        wanted.max(self.left_alone(now)).min(self.renewal)
    }

    /// A look succeeded. Answers whether the one before had failed.
    pub(super) fn succeeded(&mut self) -> bool {
        self.not_before = None;
        std::mem::take(&mut self.failures) > 0
    }

    /// A look failed: the source is left alone for a while that doubles with each failure, by `jitter` (0 to 1) up to half shorter, so that
    /// replicas and sources do not knock in step; and for as long as it `asked`. Answers how many failed in a row.
    pub(super) fn failed(&mut self, asked: Option<Duration>, jitter: f64, now: Instant) -> u32 {
        self.failures += 1;
        let doubled = self.interval.saturating_mul(2_u32.saturating_pow(self.failures));
        let backoff = doubled.min(BACKOFF_MAX.max(self.interval)).mul_f64(1.0 - jitter / 2.0);
        self.not_before = Some(now + asked.map(bounded).unwrap_or_default().max(backoff));
        self.failures
    }

    /// Whether the source answers, as far as is known. Hints are heeded only then: they must not cut a pause short.
    pub(super) fn is_well(&self) -> bool {
        self.failures == 0
    }

    fn left_alone(&self, now: Instant) -> Duration {
        self.not_before.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

/// What a source asked for, as far as it is followed.
pub(super) fn bounded(asked: Duration) -> Duration {
    asked.min(RETRY_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);
    const LIFE: Duration = Duration::from_secs(15);

    fn pace() -> (Pace, Instant) {
        (Pace::new(INTERVAL, LIFE), Instant::now())
    }

    /// When the rounds before the next look are, and when that look is, in seconds after `now`.
    fn until_look(pace: &Pace, now: Instant) -> (Vec<u64>, u64) {
        let (mut at, mut renewals) = (now + pace.rest(Duration::ZERO, now), Vec::new());
        while pace.round(at) == Round::RenewOnly {
            renewals.push((at - now).as_secs());
            at += pace.rest(Duration::ZERO, at);
        }
        (renewals, (at - now).as_secs())
    }

    #[test]
    fn through_a_pause_the_lease_is_renewed_and_the_source_is_left_alone() {
        let (mut pace, now) = pace();
        for failures in 1..=3 {
            assert_eq!(pace.failed(None, 0.0, now), failures);
        }
        assert_eq!(until_look(&pace, now), (vec![5, 10, 15, 20, 25], 30));
    }

    #[test]
    fn a_pause_doubles_up_to_the_longest_and_is_shorter_by_chance_down_to_half() {
        let (mut pace, now) = pace();
        let pauses: Vec<u64> = (0..40)
            .map(|_| {
                pace.failed(None, 0.0, now);
                until_look(&pace, now).1
            })
            .collect();
        assert_eq!(pauses[..4], [10, 20, 30, 30]);
        assert_eq!(pauses.last(), Some(&30));
        pace.failed(None, 1.0, now);
        assert_eq!(until_look(&pace, now).1, 15);
        let mut slow = Pace::new(Duration::from_secs(60), LIFE);
        slow.failed(None, 0.0, now);
        assert_eq!(until_look(&slow, now).1, 60, "a pause is no shorter than the interval");
    }

    #[test]
    fn what_the_source_asks_for_is_kept_if_it_is_longer_and_within_reason() {
        let (mut pace, now) = pace();
        for (asked_s, want_s) in [(3, 10), (45, 45), (u64::MAX, 300)] {
            pace.begin_term();
            pace.failed(Some(Duration::from_secs(asked_s)), 0.0, now);
            assert_eq!(until_look(&pace, now).1, want_s, "asked for {asked_s} s");
        }
    }

    #[test]
    fn a_new_term_looks_at_once_and_counts_anew() {
        let (mut pace, now) = pace();
        pace.failed(Some(RETRY_AFTER_MAX), 0.0, now);
        pace.failed(None, 0.0, now);
        assert!(!pace.is_well());
        pace.begin_term();
        assert_eq!((pace.round(now), pace.is_well()), (Round::Look, true));
        assert_eq!(pace.failed(None, 0.0, now), 1);
    }

    #[test]
    fn a_look_that_succeeds_ends_the_pauses_and_tells_that_there_were_some() {
        let (mut pace, now) = pace();
        assert!(!pace.succeeded());
        pace.failed(None, 0.0, now);
        assert!(pace.succeeded());
        assert_eq!((pace.round(now), pace.is_well()), (Round::Look, true));
        assert!(!pace.succeeded());
    }

    #[test]
    fn a_source_that_answers_is_looked_at_when_that_is_wanted_but_the_lease_does_not_wait() {
        let (pace, now) = pace();
        assert_eq!(pace.rest(Duration::from_secs(2), now), Duration::from_secs(2));
        assert_eq!(pace.rest(Duration::from_secs(3_600), now), LIFE / 3);
        assert_eq!(pace.round(now), Round::Look);
    }
}
