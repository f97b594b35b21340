//! A certificate's life, and when within it the next certificate is due: a pure function of what was issued, what failed, and the clock.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The share of its life after which a certificate is renewed, where nothing is said: as cert-manager and Lockstep's own agents have it, two thirds.
pub const SHARE_DEFAULT: Share = Share(66);
const SHARE_MIN: u8 = 10;
const SHARE_MAX: u8 = 90;
/// How soon after the end of a run that was done another one may be due: a role that was changed to give certificates for seconds, or somebody who
/// writes the secret again and again, is not answered as fast.
const PACE_MIN: TimeDelta = TimeDelta::seconds(10);
/// How soon a run that failed is followed by another, at the earliest and at the latest, while there is a certificate that works.
const RETRY_MIN: TimeDelta = TimeDelta::minutes(1);
const RETRY_MAX: TimeDelta = TimeDelta::days(1);
/// The pause is this part of what is left of the certificate.
const RETRY_PART: i32 = 10;
/// The longest pause where there is none that works: haste is of no use when it has not helped for hours.
const RETRY_WITHOUT_MAX: TimeDelta = TimeDelta::hours(1);

/// After how much of its life a certificate is renewed, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Share(u8);

/// Why a number is no [`Share`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not within {SHARE_MIN} to {SHARE_MAX} percent of the certificate's life")]
pub struct ShareError(u8);

impl Share {
    /// In percent.
    pub const fn percent(self) -> u8 {
        self.0
    }

    /// That part of a span.
    pub fn of(self, span: TimeDelta) -> TimeDelta {
        // In milliseconds, so that a hundred thousand years fit.
        TimeDelta::milliseconds(span.num_milliseconds().saturating_mul(i64::from(self.0)) / 100)
    }
}

impl TryFrom<u8> for Share {
    type Error = ShareError;
    fn try_from(percent: u8) -> Result<Self, ShareError> {
        if (SHARE_MIN..=SHARE_MAX).contains(&percent) { Ok(Self(percent)) } else { Err(ShareError(percent)) }
    }
}

impl From<Share> for u8 {
    fn from(share: Share) -> Self {
        share.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// From when to when a certificate is valid, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Vault dates it back a little, 30 seconds if the role does not say otherwise.
    pub not_before: DateTime<Utc>,
    /// From then on nobody takes it.
    pub not_after: DateTime<Utc>,
}

impl Life {
    /// When so much of it has passed.
    pub fn at(&self, share: Share) -> DateTime<Utc> {
        self.not_before + share.of(self.not_after - self.not_before)
    }
}

/// What is known of the certificates that a rotation issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issued {
    /// Since when there is to be one: when the rotation was written as it is, or its cluster was placed.
    pub wanted_at: DateTime<Utc>,
    /// The life of the newest that was delivered; none: there is none, or none of what is asked for now.
    pub life: Option<Life>,
    /// When the run that delivered it was done.
    pub done_at: Option<DateTime<Utc>>,
    /// When somebody else wrote the secret since.
    pub replaced_at: Option<DateTime<Utc>>,
    /// How many runs failed since, and when the newest of them ended.
    pub failed: Option<(u32, DateTime<Utc>)>,
}

impl Issued {
    /// When the next certificate is due. What is due for a long time, because nothing ran, is due once.
    pub fn due(&self, share: Share) -> DateTime<Utc> {
        let first = match (self.life, self.replaced_at) {
            (None, _) => self.wanted_at,
            (Some(life), None) => life.at(share),
            (Some(life), Some(replaced)) => life.at(share).min(replaced),
        };
        let first = self.done_at.map_or(first, |done| first.max(done + PACE_MIN));
        match self.failed {
            Some((runs, at)) => first.max(at + self.pause(runs, at)),
            None => first,
        }
    }

    /// When the run of a due time starts, if by its jitter it would start then: never with less than half of what was left when it was due.
    pub fn start(&self, due: DateTime<Utc>, by_jitter: DateTime<Utc>) -> DateTime<Utc> {
        let left = self.life.map(|life| life.not_after - due);
        left.map_or(by_jitter, |left| by_jitter.min(due + (left / 2).max(TimeDelta::zero())))
    }

    /// How long after a run that failed, the newest of so many, another one begins.
    fn pause(&self, runs: u32, at: DateTime<Utc>) -> TimeDelta {
        let left = self.life.map_or(TimeDelta::zero(), |life| life.not_after - at);
        if left > TimeDelta::zero() {
            return (left / RETRY_PART).clamp(RETRY_MIN, RETRY_MAX);
        }
        (RETRY_MIN * 2_i32.pow(runs.saturating_sub(1).min(6))).min(RETRY_WITHOUT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::days(day)
    }

    fn share(percent: u8) -> Share {
        percent.try_into().unwrap()
    }

    const MINUTE: TimeDelta = TimeDelta::minutes(1);
    const NONE: Issued = Issued { wanted_at: DateTime::UNIX_EPOCH, life: None, done_at: None, replaced_at: None, failed: None };

    fn thirty_days() -> Issued {
        Issued { life: Some(Life { not_before: at(0), not_after: at(30) }), ..NONE }
    }

    #[test]
    fn a_share_is_ten_to_ninety_percent_and_two_thirds_where_nothing_is_said() {
        assert_eq!(SHARE_DEFAULT.to_string(), "66%");
        for wrong in [0, 9, 91, 255] {
            assert_eq!(Share::try_from(wrong), Err(ShareError(wrong)));
            assert!(serde_json::from_str::<Share>(&wrong.to_string()).is_err(), "{wrong}");
        }
        for right in [10, 66, 90] {
            assert_eq!(serde_json::to_string(&share(right)).unwrap(), right.to_string());
        }
    }

    #[test]
    fn a_certificate_is_due_at_its_share_of_life_at_once_when_there_is_none_and_after_a_pause_when_a_run_failed() {
        let month = thirty_days();
        let failed = |runs, at| Issued { failed: Some((runs, at)), ..month };
        for (case, issued, percent, due) in [
            ("the first, at once", Issued { wanted_at: at(7), ..NONE }, 66, at(7)),
            ("two thirds of thirty days", month, 66, at(0) + TimeDelta::minutes(30 * 24 * 60 * 66 / 100)),
            ("a half", month, 50, at(15)),
            ("nine tenths", month, 90, at(27)),
            ("not at the heels of the run before", Issued { done_at: Some(at(15)), ..month }, 50, at(15) + PACE_MIN),
            ("at once when somebody else wrote it", Issued { replaced_at: Some(at(3)), ..month }, 50, at(3)),
            ("but not later for it", Issued { replaced_at: Some(at(20)), ..month }, 50, at(15)),
            ("a tenth of the ten days left is a day", failed(1, at(20)), 50, at(21)),
            ("of the fifteen it would be more, which is not waited for", failed(1, at(15)), 50, at(16)),
            ("however often it failed", failed(9, at(20)), 50, at(21)),
            ("a tenth of five days", failed(1, at(25)), 50, at(25) + TimeDelta::hours(12)),
            ("never more often than each minute", failed(4, at(30) - MINUTE), 50, at(30)),
            ("a run by hand that failed early changes nothing", failed(1, at(2)), 50, at(15)),
            ("it has expired: a minute", failed(1, at(31)), 50, at(31) + MINUTE),
            ("then longer", failed(3, at(31)), 50, at(31) + MINUTE * 4),
            ("and an hour at most", failed(40, at(31)), 50, at(31) + MINUTE * 60),
            ("there never was one", Issued { failed: Some((1, at(9))), ..NONE }, 66, at(9) + MINUTE),
        ] {
            assert_eq!(issued.due(share(percent)), due, "{case}");
        }
    }

    #[test]
    fn jitter_never_takes_more_than_half_of_what_is_left() {
        let (month, due) = (thirty_days(), at(28));
        for (case, issued, jittered, start) in [
            ("within it", month, due + MINUTE, due + MINUTE),
            ("beyond it", month, at(40), at(29)),
            ("nothing is left", Issued { life: Some(Life { not_before: at(0), not_after: at(27) }), ..NONE }, at(29), due),
            ("the first", NONE, at(29), at(29)),
        ] {
            assert_eq!(issued.start(due, jittered), start, "{case}");
        }
    }
}
