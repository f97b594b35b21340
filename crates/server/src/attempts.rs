//! How often somebody may fail to say who he is, when joining and at REST: guessing a token of 256 bits is hopeless, and not even the attempt is
//! to cost anything. Pure; time comes in.
//!
//! Each failure takes one from what its address has, and from what all have together; both come back with time. What happens to whoever has none
//! left is the caller's affair. One address cannot use up what all have, and who is let in takes nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// Addresses that are remembered; the rest counts overall only.
const ADDRESSES_MAX: usize = 4_096;

/// The failed attempts on this replica.
pub(crate) struct Attempts {
    of_address: f64,
    overall: f64,
    counted: Mutex<Counted>,
}

struct Counted {
    overall: Left,
    by_address: HashMap<IpAddr, Left>,
}

/// How many more failures there may be.
#[derive(Clone, Copy)]
struct Left {
    count: f64,
    at: Instant,
}

/// Which limit was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hit {
    Address,
    Overall,
}

impl Left {
    fn all(count: f64, at: Instant) -> Self {
        Self { count, at }
    }

    /// With what came back since.
    fn now(self, per_minute: f64, now: Instant) -> Self {
        let back = now.saturating_duration_since(self.at).as_secs_f64() * per_minute / 60.0;
        Self { count: (self.count + back).min(per_minute), at: now }
    }
}

impl Attempts {
    /// So many in a minute, or at once.
    pub(crate) fn new(of_address: u32, overall: u32, now: Instant) -> Self {
        let (of_address, overall) = (f64::from(of_address), f64::from(overall));
        let counted = Counted { overall: Left::all(overall, now), by_address: HashMap::new() };
        Self { of_address, overall, counted: Mutex::new(counted) }
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody at this address may fail once more.
    pub(crate) fn check(&self, address: IpAddr, now: Instant) -> Result<(), Hit> {
        let counted = self.lock();
        let left = counted.by_address.get(&network(address));
        if left.is_some_and(|left| left.now(self.of_address, now).count < 1.0) {
            return Err(Hit::Address);
        }
        if counted.overall.now(self.overall, now).count < 1.0 { Err(Hit::Overall) } else { Ok(()) }
    }

    /// Somebody at this address failed.
    pub(crate) fn note(&self, address: IpAddr, now: Instant) {
        let mut counted = self.lock();
        let take = |left: Left, per_minute: f64| {
            let left = left.now(per_minute, now);
            Left { count: (left.count - 1.0).max(0.0), at: now }
        };
        counted.overall = take(counted.overall, self.overall);
        if counted.by_address.len() >= ADDRESSES_MAX {
            let all = self.of_address;
            counted.by_address.retain(|_, left| left.now(all, now).count < all);
        }
        let address = network(address);
        if counted.by_address.len() < ADDRESSES_MAX || counted.by_address.contains_key(&address) {
            let left = counted.by_address.get(&address).copied().unwrap_or(Left::all(self.of_address, now));
            counted.by_address.insert(address, take(left, self.of_address));
        }
    }
}

/// Who has an IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn v4(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn an_address_that_failed_too_often_waits_and_no_other_does() {
        let now = Instant::now();
        let attempts = Attempts::new(3, 100, now);
        for _ in 0..3 {
            assert_eq!(attempts.check(v4(1), now), Ok(()));
            attempts.note(v4(1), now);
        }
        assert_eq!(attempts.check(v4(1), now), Err(Hit::Address));
        assert_eq!(attempts.check(v4(2), now), Ok(()));
        assert_eq!(attempts.check(v4(1), now + Duration::from_secs(19)), Err(Hit::Address));
        assert_eq!(attempts.check(v4(1), now + Duration::from_secs(20)), Ok(()), "a third of a minute is one of three");
        attempts.note(v4(1), now + Duration::from_secs(20));
        assert_eq!(attempts.check(v4(1), now + Duration::from_secs(20)), Err(Hit::Address));
        assert_eq!(attempts.check(v4(1), now + Duration::from_hours(9)), Ok(()));
    }

    #[test]
    fn many_addresses_together_have_a_limit_and_one_cannot_use_it_up() {
        let now = Instant::now();
        let attempts = Attempts::new(3, 10, now);
        let (mut listened_to, mut hit) = (0, None);
        for _ in 0..100 {
            match attempts.check(v4(1), now) {
                Ok(()) => {
                    attempts.note(v4(1), now);
                    listened_to += 1;
                }
                Err(which) => hit = Some(which),
            }
        }
        assert_eq!((listened_to, hit, attempts.check(v4(2), now)), (3, Some(Hit::Address), Ok(())));
        for n in 2..9 {
            attempts.note(v4(n), now);
        }
        assert_eq!(attempts.check(v4(9), now), Err(Hit::Overall));
        assert_eq!(attempts.check(v4(9), now + Duration::from_secs(6)), Ok(()));
    }

    #[test]
    fn addresses_are_forgotten_once_they_may_fail_as_often_as_any_and_never_are_there_too_many() {
        let now = Instant::now();
        let attempts = Attempts::new(3, 1_000_000, now);
        for n in 0..10_000 {
            attempts.note(v4(n), now);
        }
        assert_eq!(attempts.lock().by_address.len(), ADDRESSES_MAX);
        attempts.note(v4(20_000), now + Duration::from_secs(60));
        assert_eq!(attempts.lock().by_address.len(), 1);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_ipv4_in_ipv6_is_ipv4() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
