//! The one place that reads this host's wall clock. What is due, leases and expiry go by Postgres' clock; this one judges certificates,
//! nonces and Vault's `deletion_time`, and dates metrics.

use chrono::{DateTime, Utc};

/// This host's time.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
