//! Since when a content of an immutable target is an older one. Nothing is remembered for it: it is read from the Secrets themselves.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::revision::Revision;

use super::super::location::Location;

/// Where it is not known since when it is an older one, it is asked again after this long at least.
const UNKNOWN_AGAIN: Duration = Duration::from_secs(60);

/// One content of an immutable target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Hashed {
    pub(in super::super) location: Location,
    /// That of the last delivery of this content.
    pub(super) revision: Revision,
    /// When the API server made it.
    pub(super) created: Option<DateTime<Utc>>,
}

/// How much longer this one is to be kept, `keep` after a newer content took its place; zero: no longer.
///
/// A newer one has a greater revision. When it took its place is when it was made, unless it was there before and its content came
/// back: such a one is passed over for the next, which is later. Where there is none, nobody knows, and it stays for as long as that.
pub(super) fn left_to_keep(older: &Hashed, all: &[Hashed], keep: Duration, now: DateTime<Utc>) -> Duration {
    let later = all.iter().filter(|other| other.revision > older.revision && other.created >= older.created);
    let superseded = later.filter_map(|other| other.created).min();
    let age = superseded.filter(|_| older.created.is_some()).map(|at| (now - at).to_std().unwrap_or_default());
    age.map_or(keep.max(UNKNOWN_AGAIN), |age| keep.saturating_sub(age))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_core::revision::{Epoch, Seq};

    const KEEP: Duration = Duration::from_secs(1_000);

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn hashed(name: &str, seq: u64, created: i64) -> Hashed {
        let location = Location { namespace: "shop".parse().unwrap(), name: name.to_owned() };
        let revision = Revision { epoch: Epoch::new(1), seq: Seq::new(seq) };
        Hashed { location, revision, created: Some(at(created)) }
    }

    fn left(all: &[Hashed], now: i64) -> Vec<u64> {
        all.iter().map(|one| left_to_keep(one, all, KEEP, at(now)).as_secs()).collect()
    }

    #[test]
    fn an_older_content_is_as_old_as_the_next_newer_one() {
        let all = [hashed("a", 1, 0), hashed("b", 2, 500), hashed("c", 3, 900)];
        assert_eq!(left(&all, 1_000), [500, 900, 1_000], "the newest has nothing that is newer");
        assert_eq!(left(&all, 1_500), [0, 400, 1_000]);
        assert_eq!(left(&all, 400), [1_000, 1_000, 1_000], "a clock that is behind ages nothing");
    }

    #[test]
    fn a_content_that_came_back_is_as_old_as_what_came_after_that() {
        // a, b, a: nobody knows when.
        let all = [hashed("a", 3, 0), hashed("b", 2, 500)];
        assert_eq!(left(&all, 9_000), [1_000, 1_000]);
        // a, b, a, c.
        let all = [hashed("a", 3, 0), hashed("b", 2, 500), hashed("c", 4, 8_500)];
        assert_eq!(left(&all, 9_000), [500, 500, 1_000]);
    }

    #[test]
    fn what_nothing_newer_came_for_stays() {
        assert_eq!(left(&[hashed("a", 1, 0)], 1_000_000), [1_000], "the newer one could not be written here");
        let undated = Hashed { created: None, ..hashed("a", 1, 0) };
        assert_eq!(left(&[undated, hashed("b", 2, 5)], 1_000_000), [1_000, 1_000]);
        let one = hashed("a", 1, 0);
        assert_eq!(left_to_keep(&one, std::slice::from_ref(&one), Duration::ZERO, at(9)), UNKNOWN_AGAIN);
    }
}
