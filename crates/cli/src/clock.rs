//! The one place that reads the clock. Ages are worked out from a `now` that is passed in.

use chrono::{DateTime, Utc};

/// The time, for ages.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
