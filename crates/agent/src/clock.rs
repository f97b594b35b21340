//! The only place of the agent that reads a clock; everything else is handed the time.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// Where the time comes from: the system's clocks, or a test's.
pub trait Clock: Send + Sync {
    /// The time of day, for certificates and metrics.
    fn now(&self) -> DateTime<Utc>;
    /// Time since the clock was made; never goes back, so intervals are measured with it.
    fn uptime(&self) -> Duration;
}

/// The system's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    /// What `uptime` counts from.
    started: Instant,
}

impl SystemClock {
    /// A clock whose `uptime` begins now.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}
