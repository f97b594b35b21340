//! When a CA is made, signs, and is dropped. Pure.
//!
//! Each lives a year. The next one is made at two thirds of it, and published from then on beside the others; it signs once it has
//! been published for a day, so that every node has it by then; and it is dropped when it has ended. So a node that reads the
//! ConfigMap once in a day trusts every certificate that it meets.

use chrono::{DateTime, TimeDelta, Utc};

/// How long a CA lives.
pub(super) const LIFE: TimeDelta = TimeDelta::days(365);
/// How long a CA's certificate is published before it signs, where another one can sign meanwhile. A mounted ConfigMap follows in
/// about two minutes; a day outlasts a node that was away.
pub(super) const PUBLISHED_BEFORE: TimeDelta = TimeDelta::days(1);

/// What of a CA decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) not_before: DateTime<Utc>,
    pub(super) not_after: DateTime<Utc>,
    /// Since when its certificate is published.
    pub(super) published: Option<DateTime<Utc>>,
}

impl Times {
    /// Whether it has ended, and is dropped.
    pub(super) fn has_ended(&self, now: DateTime<Utc>) -> bool {
        now >= self.not_after
    }
}

/// Whether it is time to make the next one.
pub(super) fn is_next_due(list: impl IntoIterator<Item = Times>, now: DateTime<Utc>) -> bool {
    let newest = list.into_iter().filter(|times| !times.has_ended(now)).max_by_key(|times| times.not_before);
    newest.is_none_or(|newest| now >= newest.not_before + (newest.not_after - newest.not_before) * 2 / 3)
}

/// Which one signs: the newest that has been published for long enough; if none has, the one that was published first.
pub(super) fn signer(list: impl IntoIterator<Item = Times>, now: DateTime<Utc>) -> Option<usize> {
    let alive: Vec<(usize, Times)> = list.into_iter().enumerate().filter(|(_, times)| !times.has_ended(now)).collect();
    let is_known = |times: &Times| times.published.is_some_and(|at| at + PUBLISHED_BEFORE <= now);
    let known = alive.iter().filter(|(_, times)| is_known(times)).max_by_key(|(_, times)| times.not_before);
    let first = || alive.iter().min_by_key(|(_, times)| (times.published.is_none(), times.published, times.not_before));
    known.or_else(first).map(|(at, _)| *at)
}

/// Whether a serving certificate is renewed: at two thirds of its life.
pub(super) fn is_renewal_due(not_before: DateTime<Utc>, not_after: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    // One from the future: the clock was set back, and nobody would believe it.
    now < not_before || now >= not_before + (not_after - not_before) * 2 / 3
}

#[cfg(test)]
mod tests;
