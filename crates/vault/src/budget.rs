//! A source's request budget: how many requests a second its Vault is asked to bear. Each request of the watcher passes it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::Metrics;

/// Requests per second and source.
pub const DEFAULT_REQUESTS_PER_SECOND: u32 = 10;

/// The rule: one request each interval on average, and one second's worth at once after a pause. First come, first served.
#[derive(Debug)]
struct Bucket {
    interval: Duration,
    burst: Duration,
    /// When the next request would be due if all had come evenly.
    due: Instant,
}

impl Bucket {
    fn new(requests_per_second: u32, now: Instant) -> Self {
        let interval = Duration::from_secs(1) / requests_per_second.max(1);
        // Of the second's worth, the request itself is one.
        Self { interval, burst: Duration::from_secs(1).saturating_sub(interval), due: now }
    }

    /// Takes a place; returns how long to wait for it.
    fn reserve(&mut self, now: Instant) -> Duration {
        let due = self.due.max(now);
        self.due = due + self.interval;
        due.saturating_duration_since(now + self.burst)
    }

    /// Nothing before `until`, and no burst then.
    fn hold(&mut self, until: Instant) {
        self.due = self.due.max(until + self.burst);
    }
}

/// The budget of one source. Clones share it.
#[derive(Clone)]
pub struct Budget {
    bucket: Arc<Mutex<Bucket>>,
    metrics: Metrics,
    source: Arc<str>,
}

impl Budget {
    /// A full budget of `requests_per_second` (at least 1) for the source of this name.
    pub fn new(requests_per_second: u32, metrics: Metrics, source: &str) -> Self {
        let bucket = Arc::new(Mutex::new(Bucket::new(requests_per_second, Instant::now())));
        Self { bucket, metrics, source: source.into() }
    }

    /// Waits until a request may be made. A wait that is dropped keeps its place used.
    pub async fn take(&self) {
        let now = Instant::now();
        let wait = self.bucket.lock().unwrap_or_else(PoisonError::into_inner).reserve(now);
        if !wait.is_zero() {
            self.metrics.budget_wait(&self.source, wait);
            tokio::time::sleep_until(now + wait).await;
        }
    }

    /// Makes no request for this long: what [`crate::VaultError::retry_after`] asks for.
    pub fn hold(&self, pause: Duration) {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner).hold(Instant::now() + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_second_is_worth_its_requests_and_more_wait_their_turn() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, start);
        let waits: Vec<_> = (0..12).map(|_| bucket.reserve(start).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 200]);
        assert_eq!(bucket.reserve(start + 250 * MS), 50 * MS);
        assert_eq!(bucket.reserve(start + 9000 * MS), Duration::ZERO);
    }

    #[tokio::test]
    async fn after_a_hold_requests_come_one_by_one() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, start);
        bucket.hold(start + 2000 * MS);
        assert_eq!([bucket.reserve(start), bucket.reserve(start)], [2000 * MS, 2100 * MS]);
    }
}
