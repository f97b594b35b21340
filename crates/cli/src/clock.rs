//! The one place that reads the clock. Ages are worked out from a `now` that is passed in.

use chrono::{DateTime, Utc};

/// The time, for ages.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
