use super::*;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};

fn second(second: u64) -> Duration {
    Duration::from_secs(second)
}

fn said(holder: Option<&str>, renewed: &str) -> Said {
    Said { holder: holder.map(str::to_owned), term: 3, renewed: Some(renewed.to_owned()), duration: second(15) }
}

#[test]
fn a_lease_is_taken_once_it_is_free_or_was_seen_unchanged_for_its_whole_duration() {
    for (now, holder, since, want) in [
        (0, None, 0, Step::Acquire),
        (0, Some("us"), 0, Step::Renew),
        (100, Some("us"), 0, Step::Renew),
        (0, Some("other"), 0, Step::Wait),
        (14, Some("other"), 0, Step::Wait),
        (15, Some("other"), 0, Step::Acquire),
        (15, Some("other"), 1, Step::Wait),
        (16, Some("other"), 1, Step::Acquire),
        // A clock that went back proves nothing.
        (0, Some("other"), 20, Step::Wait),
    ] {
        let seen = Seen { said: said(holder, "a"), since: second(since) };
        assert_eq!(decide(second(now), "us", &seen), want, "second {now}, {holder:?} since {since}");
    }
}

#[test]
fn any_change_by_its_holder_begins_the_wait_anew() {
    let mut seen = None;
    for (now, said, want) in [
        (0, said(Some("other"), "a"), Step::Wait),
        (14, said(Some("other"), "a"), Step::Wait),
        (14, said(Some("other"), "b"), Step::Wait),
        (20, said(Some("other"), "b"), Step::Wait),
        (28, said(Some("third"), "b"), Step::Wait),
        (42, said(Some("third"), "b"), Step::Wait),
        (43, said(Some("third"), "b"), Step::Acquire),
        (44, said(None, "b"), Step::Acquire),
    ] {
        seen = Some(Seen::look(seen.take(), said, second(now)));
        assert_eq!(decide(second(now), "us", seen.as_ref().unwrap()), want, "second {now}");
    }
}

#[test]
fn a_lease_lasts_as_long_as_its_holder_said() {
    let long = Said { duration: second(60), ..said(Some("other"), "a") };
    let seen = Seen { said: long, since: second(0) };
    assert_eq!(decide(second(59), "us", &seen), Step::Wait);
    assert_eq!(decide(second(60), "us", &seen), Step::Acquire);
}

struct FakeClock(AtomicU64);

impl Clock for FakeClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
    fn uptime(&self) -> Duration {
        second(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn the_holder_writes_only_while_a_request_would_end_before_its_lease() {
    let clock = Arc::new(FakeClock(AtomicU64::new(0)));
    let leadership = Leadership::until(clock.clone(), second(5), second(15));
    for (now, until, want) in [(0, 15, true), (9, 15, true), (10, 15, false), (10, 20, true), (15, 20, false), (30, 20, false)] {
        clock.0.store(now, Ordering::Relaxed);
        leadership.extend(second(until));
        assert_eq!((leadership.may_write(), leadership.check().is_ok()), (want, want), "second {now}, until {until}");
    }
    leadership.extend(second(100));
    let copy = leadership.clone();
    copy.lose("first");
    copy.lose("second");
    assert!(!leadership.may_write());
    assert_eq!(leadership.lost().await, "first");
    let always = Leadership::always();
    always.lose("nothing to lose");
    assert!(always.may_write());
}

#[test]
fn nobody_takes_over_before_the_holder_has_stopped() {
    // The holder renews at `sent` and counts from there; a standby sees that renewal at the same moment at the earliest.
    let (duration, reserve) = (second(15), second(5));
    for sent in 0..20 {
        let seen = Seen { said: said(Some("other"), "x"), since: second(sent) };
        let clock = Arc::new(FakeClock(AtomicU64::new(0)));
        let leadership = Leadership::until(clock.clone(), reserve, second(sent) + duration);
        for now in sent..60 {
            clock.0.store(now, Ordering::Relaxed);
            let arrives = second(now) + reserve;
            assert!(!leadership.may_write() || decide(arrives, "us", &seen) == Step::Wait, "renewed at {sent}, now {now}");
        }
    }
}
