//! Starts spread out: what is due at midnight need not all begin at midnight.

use std::time::Duration;

use aws_lc_rs::digest;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// When what is due at `due` starts: up to `jitter` later, in whole milliseconds, and the same on every replica, because it follows from
/// who (`id`) is due when.
pub fn start_of(id: Uuid, due: DateTime<Utc>, jitter: Duration) -> DateTime<Utc> {
    let mut said = b"lockstep jitter v1 ".to_vec();
    said.extend_from_slice(id.as_bytes());
    said.extend_from_slice(&due.timestamp().to_be_bytes());
    let hash = digest::digest(&digest::SHA256, &said);
    let part = hash.as_ref().iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    // The hash as a fraction of one, times the jitter: below the jitter, and even however long it is.
    let offset = (u128::from(part) * jitter.as_millis()) >> 64;
    due + TimeDelta::milliseconds(i64::try_from(offset).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_spread_over_the_jitter_and_the_same_for_everyone() {
        let (due, jitter) = (DateTime::UNIX_EPOCH + TimeDelta::days(20_000), Duration::from_secs(600));
        let mut tenths = [0; 10];
        for n in 0..1_000_u128 {
            let start = start_of(Uuid::from_u128(n), due, jitter);
            assert_eq!(start, start_of(Uuid::from_u128(n), due, jitter));
            let offset = (start - due).to_std().unwrap();
            assert!(offset < jitter, "{offset:?}");
            tenths[usize::try_from(offset.as_secs() / 60).unwrap()] += 1;
        }
        // A fair spread has 100 in each, give or take 10 (one standard deviation).
        assert!(tenths.iter().all(|n| (60..=140).contains(n)), "{tenths:?}");
    }

    #[test]
    fn the_next_due_time_has_another_offset_and_no_jitter_has_none() {
        let (id, due) = (Uuid::from_u128(7), DateTime::UNIX_EPOCH);
        let offset = |day| {
            let due = due + TimeDelta::days(day);
            start_of(id, due, Duration::from_secs(3_600)) - due
        };
        assert_ne!(offset(0), offset(1));
        assert_eq!(start_of(id, due, Duration::ZERO), due);
    }

    /// Replicas of two releases run side by side for a while, so this figure is for ever.
    #[test]
    fn an_offset_stays_what_it_was() {
        let start = start_of(Uuid::from_u128(1), DateTime::UNIX_EPOCH, Duration::from_secs(3_600));
        assert_eq!(start.timestamp_millis(), 271_470);
    }
}
