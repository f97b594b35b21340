//! How long to wait before dialing again: exponential, with full jitter, so that the agents of a restarted server do not all come
//! back in one moment.

use std::time::Duration;

use rand::Rng;

/// The first wait is at most this long.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// No wait is longer.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A link that lived this long was a good one: the next wait begins small again. A shorter one may be a server that greets and
/// then falls over, which must not be dialed ten times a second.
pub(crate) const BACKOFF_RESET_AFTER: Duration = Duration::from_secs(10);

/// Counts failures in a row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait: evenly spread between nothing and a bound that doubles.
    pub(crate) fn next(&mut self, random: &mut impl Rng) -> Duration {
        let bound = BACKOFF_MIN.saturating_mul(2_u32.saturating_pow(self.failures)).min(BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(random.random::<f64>())
    }

    /// Begins anew if a link lived long enough to count as a good one.
    pub(crate) fn note_link(&mut self, lived: Duration) {
        if lived >= BACKOFF_RESET_AFTER {
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn waits_double_up_to_the_bound_and_are_spread_below_it() {
        let mut random = StdRng::seed_from_u64(7);
        for failures in 0..40 {
            let bound = BACKOFF_MIN.saturating_mul(2_u32.saturating_pow(failures)).min(BACKOFF_MAX);
            let waits: Vec<_> = (0..200).map(|_| Backoff { failures }.next(&mut random)).collect();
            assert!(waits.iter().all(|w| *w <= bound));
            assert!(waits.iter().any(|w| *w > bound / 2) && waits.iter().any(|w| *w < bound / 2), "spread, {failures}");
        }
    }

    #[test]
    fn only_a_link_that_lived_resets() {
        let mut backoff = Backoff { failures: 5 };
        backoff.note_link(BACKOFF_RESET_AFTER / 2);
        assert_eq!(backoff.failures, 5);
        backoff.note_link(BACKOFF_RESET_AFTER);
        assert_eq!(backoff.failures, 0);
    }
}
