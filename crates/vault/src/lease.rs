//! When a token from a login is renewed or replaced: pure functions of time.

use std::time::Duration;

use tokio::time::Instant;

/// A refused token younger than this is not replaced: the next one would be refused too.
const REJECTED_AGE_MIN: Duration = Duration::from_secs(2);
/// A forbidden path is tried with a new login when the old one is older than this: policies are given at login and may have changed.
const FORBIDDEN_AGE_MIN: Duration = Duration::from_mins(5);
/// Between tries to renew.
const RENEW_INTERVAL: Duration = Duration::from_secs(10);

/// How long a token lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    /// When we logged in.
    pub(crate) login: Instant,
    /// Login or last renewal.
    pub(crate) obtained: Instant,
    /// From then on; zero: it never expires.
    pub(crate) ttl: Duration,
    /// What the login gave; a renewal that gives much less is near the maximum.
    pub(crate) full_ttl: Duration,
    pub(crate) renewable: bool,
    /// When a renewal was last tried.
    pub(crate) tried: Option<Instant>,
}

/// What to do before the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Keep,
    Renew,
    Login,
}

impl Lease {
    /// Renew from two thirds on; log in anew when that is not possible or would give little, and after the end.
    pub(crate) fn step(&self, now: Instant) -> Step {
        let age = now.duration_since(self.obtained);
        if self.ttl.is_zero() || age < self.ttl * 2 / 3 {
            Step::Keep
        } else if age >= self.ttl || !self.renewable || self.ttl < self.full_ttl / 2 {
            Step::Login
        } else if self.tried.is_some_and(|tried| now.duration_since(tried) < RENEW_INTERVAL) {
            Step::Keep
        } else {
            Step::Renew
        }
    }

    /// When [`Lease::step`] asks for another login, if nothing is renewed; `None`: never.
    pub(crate) fn ends(&self) -> Option<Instant> {
        let kept = if self.renewable { self.ttl } else { self.ttl * 2 / 3 };
        (!self.ttl.is_zero()).then(|| self.obtained + kept)
    }

    /// Whether a refused token is worth another login.
    pub(crate) fn is_worth_another(&self, now: Instant, rejected: bool) -> bool {
        let age = now.duration_since(self.login);
        age >= if rejected { REJECTED_AGE_MIN } else { FORBIDDEN_AGE_MIN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_token_is_renewed_from_two_thirds_on_and_replaced_at_its_end() {
        let start = Instant::now();
        let lease = Lease { login: start, obtained: start, ttl: 90 * S, full_ttl: 90 * S, renewable: true, tried: None };
        for (case, lease, age, step) in [
            ("young", lease, 59, Step::Keep),
            ("two thirds", lease, 60, Step::Renew),
            ("over", lease, 90, Step::Login),
            ("not renewable", Lease { renewable: false, ..lease }, 60, Step::Login),
            ("eternal", Lease { ttl: Duration::ZERO, ..lease }, 9000, Step::Keep),
            ("near its maximum", Lease { ttl: 30 * S, ..lease }, 20, Step::Login),
            ("tried just now", Lease { tried: Some(start + 60 * S), ..lease }, 65, Step::Keep),
            ("tried a while ago", Lease { tried: Some(start + 60 * S), ..lease }, 70, Step::Renew),
        ] {
            assert_eq!(lease.step(start + age * S), step, "{case}");
        }
    }

    #[tokio::test]
    async fn a_fresh_login_is_not_repeated() {
        let start = Instant::now();
        let lease = Lease { login: start, obtained: start, ttl: 90 * S, full_ttl: 90 * S, renewable: true, tried: None };
        for (age, rejected, worth) in [(1, true, false), (2, true, true), (2, false, false), (300, false, true)] {
            assert_eq!(lease.is_worth_another(start + age * S, rejected), worth, "{age} {rejected}");
        }
    }
}
