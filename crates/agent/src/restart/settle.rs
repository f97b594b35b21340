//! Waiting until changes that belong together have all arrived.

use std::time::Duration;

/// A pause of quiet after a change, with an end in any case. Times are `uptime`.
#[derive(Debug, Default)]
pub(super) struct Settle {
    /// The first change that waits, and the last one so far.
    waiting: Option<(Duration, Duration)>,
}

impl Settle {
    /// Something changed.
    pub(super) fn note(&mut self, now: Duration) {
        let first = self.waiting.map_or(now, |(first, _)| first);
        self.waiting = Some((first, now));
    }

    /// When the wait is over; `None`: nothing waits.
    pub(super) fn until(&self, quiet: Duration, at_most: Duration) -> Option<Duration> {
        self.waiting.map(|(first, last)| (last + quiet).min(first + at_most))
    }

    /// What waited was taken up.
    pub(super) fn clear(&mut self) {
        self.waiting = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_waits_for_two_quiet_seconds_and_ten_at_most() {
        let seconds = Duration::from_secs;
        for (notes, want) in [
            (&[][..], None),
            (&[5][..], Some(7)),
            (&[5, 6][..], Some(8)),
            (&[5, 7, 9, 11, 13][..], Some(15)),
            (&[5, 7, 9, 11, 13, 15, 17][..], Some(15)),
        ] {
            let mut settle = Settle::default();
            for note in notes {
                settle.note(seconds(*note));
            }
            assert_eq!(settle.until(seconds(2), seconds(10)), want.map(seconds), "{notes:?}");
            settle.clear();
            assert_eq!(settle.until(seconds(2), seconds(10)), None);
        }
    }
}
