//! How old what is known may be: since when no server was there to say what is newest.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// How far a clock may have been set back before the time of the last confirmation is not believed.
const SET_BACK_MAX: TimeDelta = TimeDelta::minutes(5);

/// How long a link counts without being said again, which it is every half minute.
const FRESH_MAX: TimeDelta = TimeDelta::minutes(2);

/// What is known of the age of everything that is held.
#[derive(Debug)]
pub(super) struct Age {
    max: TimeDelta,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    is_linked: bool,
    confirmed: Option<DateTime<Utc>>,
}

/// How what is held may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A server says at once when it changes.
    Fresh,
    /// Since then nobody could say.
    Stale(DateTime<Utc>),
    /// That is too long ago, or nobody ever said.
    TooOld(Option<DateTime<Utc>>),
}

impl Age {
    pub(super) fn new(max: Duration) -> Self {
        Self { max: TimeDelta::from_std(max).unwrap_or(TimeDelta::MAX), known: Mutex::default() }
    }

    /// A server is there, or is not any more.
    pub(super) fn set_linked(&self, is_linked: bool, now: DateTime<Utc>) {
        self.with(|known| {
            if is_linked || known.is_linked {
                known.confirmed = Some(now);
            }
            known.is_linked = is_linked;
        });
    }

    /// Whether a server is there, and when one last was.
    pub(super) fn known(&self) -> (bool, Option<DateTime<Utc>>) {
        self.with(|known| (known.is_linked, known.confirmed))
    }

    /// As it was written down.
    pub(super) fn confirmed_at(&self, at: DateTime<Utc>) {
        self.with(|known| known.confirmed = known.confirmed.max(Some(at)));
    }

    /// Nothing is known any more.
    pub(super) fn forget(&self) {
        self.with(|known| *known = Known::default());
    }

    pub(super) fn standing(&self, now: DateTime<Utc>) -> Standing {
        self.with(|known| match known.confirmed {
            Some(at) if known.is_linked && now - at <= FRESH_MAX => Standing::Fresh,
            Some(at) if now - at <= self.max && at - now <= SET_BACK_MAX => Standing::Stale(at),
            confirmed => Standing::TooOld(confirmed),
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn what_no_server_confirms_is_stale_and_after_a_while_too_old() {
        let age = Age::new(Duration::from_secs(60));
        assert_eq!(age.standing(at(0)), Standing::TooOld(None));
        age.set_linked(true, at(0));
        assert_eq!((age.standing(at(120)), age.standing(at(121))), (Standing::Fresh, Standing::TooOld(Some(at(0)))));
        age.set_linked(true, at(1000));
        age.set_linked(false, at(1000));
        // That it is not linked is said again at each try.
        age.set_linked(false, at(1030));
        assert_eq!(age.standing(at(1060)), Standing::Stale(at(1000)));
        assert_eq!(age.standing(at(1061)), Standing::TooOld(Some(at(1000))));
        age.set_linked(true, at(1061));
        age.forget();
        assert_eq!(age.standing(at(1061)), Standing::TooOld(None));
    }

    #[test]
    fn a_time_that_was_written_down_counts_unless_it_is_to_come() {
        let age = Age::new(Duration::from_secs(60));
        age.confirmed_at(at(0));
        assert_eq!(age.standing(at(60)), Standing::Stale(at(0)));
        assert_eq!(age.standing(at(-300)), Standing::Stale(at(0)));
        assert_eq!(age.standing(at(-301)), Standing::TooOld(Some(at(0))));
        age.confirmed_at(at(-50));
        assert_eq!(age.standing(at(60)), Standing::Stale(at(0)), "the later one counts");
    }
}
