//! What to do now about one schedule's due times.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Schedule;

/// How late a due time may be noticed without having been missed, where missed ones are skipped: a replica that takes over, a
/// database that is away for a moment.
pub const SKIP_TOLERANCE: Duration = Duration::from_secs(60);

/// Missed due times are counted up to here; more is "at least so many".
pub const MISSED_COUNTED_MAX: u64 = 1_000;

/// What becomes of due times that passed while nothing could run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MissedRuns {
    /// The newest is made up for, once, as CronJob does.
    #[default]
    Once,
    /// None is: the next is waited for.
    Skip,
}

/// The decision for one schedule at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The due time to run now. Whoever stores it as claimed has settled it and all before it.
    pub claim: Option<DateTime<Utc>>,
    /// How many due times are given up, counted to [`MISSED_COUNTED_MAX`].
    pub missed: u64,
    /// The newest of those given up: what is to be stored as settled where nothing is claimed.
    pub skipped_through: Option<DateTime<Utc>>,
    /// The next due time after now.
    pub next: Option<DateTime<Utc>>,
}

/// Decides, by the clock that `now` was read from: of the due times in (`settled`, `now`] only the newest can still run, and not where it is
/// older than `starting_deadline`, or than [`SKIP_TOLERANCE`] where missed ones are skipped. `settled` is the last due time that was
/// claimed or skipped, or when there was none, the moment the schedule began to hold.
pub fn due(
    schedule: &Schedule,
    starting_deadline: Option<Duration>,
    missed: MissedRuns,
    settled: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Due {
    let next = schedule.next_after(now);
    let Some(newest) = schedule.last_within(settled, now) else {
        return Due { claim: None, missed: 0, skipped_through: None, next };
    };
    let latest = match missed {
        MissedRuns::Once => starting_deadline,
        MissedRuns::Skip => Some(starting_deadline.map_or(SKIP_TOLERANCE, |deadline| deadline.min(SKIP_TOLERANCE))),
    };
    let late = (now - newest).to_std().unwrap_or_default();
    let claim = latest.is_none_or(|latest| late <= latest).then_some(newest);
    let given_up = |due: &DateTime<Utc>| claim.map_or(*due <= newest, |claim| *due < claim);
    let counted = usize::try_from(MISSED_COUNTED_MAX).unwrap_or(usize::MAX);
    let count = schedule.after(settled).take_while(given_up).take(counted).count();
    let skipped_through = match claim {
        Some(claim) => schedule.last_within(settled, claim - TimeDelta::seconds(1)),
        None => Some(newest),
    };
    Due { claim, missed: u64::try_from(count).unwrap_or(MISSED_COUNTED_MAX), skipped_through, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-03-{text}Z").parse().unwrap()
    }

    fn decide(deadline_s: Option<u64>, missed: MissedRuns, settled: &str, now: &str) -> Due {
        let hourly = Schedule::new("@hourly", None).unwrap();
        due(&hourly, deadline_s.map(Duration::from_secs), missed, at(settled), at(now))
    }

    #[test]
    fn of_several_missed_only_the_newest_runs_unless_it_is_too_old_or_missed_ones_are_skipped() {
        use MissedRuns::{Once, Skip};
        let (three, ten) = ("10T03:00:00", "10T10:00:00");
        for (deadline, missed, settled, now, claim, count, skipped) in [
            // Nothing is due before it is.
            (None, Once, ten, "10T10:59:59.999", None, 0, None),
            // On the second, and a little late.
            (None, Once, ten, "10T11:00:00", Some("10T11:00:00"), 0, None),
            (None, Skip, ten, "10T11:00:00", Some("10T11:00:00"), 0, None),
            (None, Skip, ten, "10T11:01:00", Some("10T11:00:00"), 0, None),
            (None, Skip, ten, "10T11:01:00.001", None, 1, Some("10T11:00:00")),
            (None, Once, ten, "10T11:59:59", Some("10T11:00:00"), 0, None),
            // Several missed.
            (None, Once, three, "10T10:30:00", Some(ten), 6, Some("10T09:00:00")),
            (None, Skip, three, "10T10:30:00", None, 7, Some(ten)),
            (None, Skip, three, "10T10:00:30", Some(ten), 6, Some("10T09:00:00")),
            // The deadline, to the second and beyond; it is the shorter that holds.
            (Some(600), Once, ten, "10T11:10:00", Some("10T11:00:00"), 0, None),
            (Some(600), Once, ten, "10T11:10:01", None, 1, Some("10T11:00:00")),
            (Some(10), Skip, ten, "10T11:00:11", None, 1, Some("10T11:00:00")),
            (Some(600), Skip, ten, "10T11:02:00", None, 1, Some("10T11:00:00")),
            // A clock that went back.
            (None, Once, ten, "10T09:30:00", None, 0, None),
        ] {
            let got = decide(deadline, missed, settled, now);
            let case = format!("{deadline:?} {missed:?} {settled} {now}");
            assert_eq!((got.claim, got.missed, got.skipped_through), (claim.map(at), count, skipped.map(at)), "{case}");
            assert!(got.next > Some(at(now)), "{case}");
        }
    }

    #[test]
    fn a_second_beat_suspended_for_ten_years_is_decided_at_once() {
        let beat = Schedule::new("* * * * * *", None).unwrap();
        let now = at("10T00:00:00");
        let got = due(&beat, None, MissedRuns::Once, now - TimeDelta::days(3_650), now);
        assert_eq!(got.claim, Some(now));
        assert_eq!(got.missed, MISSED_COUNTED_MAX);
        assert_eq!(got.skipped_through, Some(now - TimeDelta::seconds(1)));
        assert_eq!(got.next, Some(now + TimeDelta::seconds(1)));
    }
}
