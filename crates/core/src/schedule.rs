//! Schedules: when something is due, in CronJob's words.
//!
//! `croner` reads the fields and judges days and times of day; the walk through time is ours ([`walk`]), because croner's own search
//! goes back in time within the hour that a time zone repeats, and looks three thousand years ahead for the thirtieth of February.
//! What is due when, also over a change of the clocks, is told in `docs/schedules.md`.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use serde::{Deserialize, Serialize};
use thiserror::Error;

mod due;
mod jitter;
mod walk;
mod zone;

pub use due::{Due, MISSED_COUNTED_MAX, MissedRuns, SKIP_TOLERANCE, due};
pub use jitter::start_of;
pub use walk::YEARS_AHEAD_MAX;

/// The longest text of a schedule, in bytes.
pub const SCHEDULE_MAX_BYTES: usize = 256;

/// How many due times [`Schedule::shortest_interval`] looks at.
pub const INTERVALS_LOOKED_AT: usize = 500;

/// Due times by a cron expression in a time zone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Texts", into = "Texts")]
pub struct Schedule {
    texts: Texts,
    /// Shared, because it is large and never changes.
    cron: Arc<Cron>,
    zone: Tz,
    /// Whether it names times of day, each to be met once a day, and not a beat that goes on through every hour.
    fixed: bool,
}

/// A schedule as it is written and stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Texts {
    schedule: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// Longer than [`SCHEDULE_MAX_BYTES`].
    #[error("a schedule has at most {SCHEDULE_MAX_BYTES} bytes")]
    TooLong,
    /// A time zone within the schedule, which Kubernetes refuses too.
    #[error("{0:?} names a time zone within the schedule: write it as timeZone")]
    ZoneWithin(String),
    /// An `@` word that is none of the known.
    #[error(
        "{0:?} is not known: use @hourly, @daily, @midnight, @weekly, @monthly, @yearly or @annually, or write the five fields (@every is \
         not taken, because its due times would depend on when it was started)"
    )]
    Word(String),
    /// Not five fields, nor six.
    #[error(
        "{text:?} is not a schedule: use the five fields of cron (minute, hour, day of month, month, day of week), or six with seconds \
         first ({why})"
    )]
    Syntax {
        /// What was given.
        text: String,
        /// What croner says of it.
        why: String,
    },
    /// Nothing within [`YEARS_AHEAD_MAX`].
    #[error("{0:?} is never due: no day of the next {YEARS_AHEAD_MAX} years is meant by it")]
    Never(String),
    /// Not a time zone of the IANA database.
    #[error("{name:?} is not a time zone of the IANA database{}", .near.map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    Zone {
        /// What was given.
        name: String,
        /// One that it may have been meant for.
        near: Option<&'static str>,
    },
}

impl Schedule {
    /// A schedule of the texts of a manifest; without a time zone, UTC.
    pub fn new(schedule: &str, time_zone: Option<&str>) -> Result<Self, ScheduleError> {
        let this = Self::read(Texts { schedule: schedule.to_owned(), time_zone: time_zone.map(str::to_owned) })?;
        match this.next_after(reference()) {
            Some(_) => Ok(this),
            None => Err(ScheduleError::Never(schedule.to_owned())),
        }
    }

    fn read(texts: Texts) -> Result<Self, ScheduleError> {
        let zone = texts.time_zone.as_deref().map_or(Ok(Tz::UTC), zone::parse)?;
        let cron = parse(&texts.schedule)?;
        Ok(Self { texts, fixed: names_times(&cron), cron: Arc::new(cron), zone })
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.texts.schedule
    }

    /// The time zone as it was written.
    pub fn time_zone(&self) -> Option<&str> {
        self.texts.time_zone.as_deref()
    }

    /// The first due time after `instant`, in whole seconds; `None` beyond [`YEARS_AHEAD_MAX`].
    pub fn next_after(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        walk::next_after(self, instant)
    }

    /// The last due time in (`after`, `until`]. Takes as many steps as the span has doublings, however often it is due.
    pub fn last_within(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let due_after = |second: i64| {
            let from = after + TimeDelta::seconds(second);
            self.next_after(from).filter(|due| *due <= until)
        };
        let mut last = due_after(0)?;
        // Seconds after `after`: something is due after `low`, nothing after `high`.
        let (mut low, mut high) = (0, (until - after).num_seconds().saturating_add(1));
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match due_after(middle) {
                Some(due) => (last, low) = (due, middle),
                None => high = middle,
            }
        }
        Some(last)
    }

    /// The due times after `instant`, in order.
    pub fn after(&self, instant: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        std::iter::successors(self.next_after(instant), |due| self.next_after(*due))
    }

    /// The shortest time between two due times, estimated from some hundred of them: a rule like "the 29th of February" has few, and
    /// one that is due more often on one day in ten years may be misjudged.
    pub fn shortest_interval(&self) -> TimeDelta {
        let times: Vec<_> = self.after(reference()).take(INTERVALS_LOOKED_AT).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(TimeDelta::MAX)
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Eq for Schedule {}

impl TryFrom<Texts> for Schedule {
    type Error = ScheduleError;
    /// Whether it is ever due was asked when it was written, and is not again whenever it is read: that may be a walk through years.
    fn try_from(texts: Texts) -> Result<Self, ScheduleError> {
        Self::read(texts)
    }
}

impl From<Schedule> for Texts {
    fn from(schedule: Schedule) -> Self {
        schedule.texts
    }
}

/// Where questions begin that must have the same answer whenever they are asked.
fn reference() -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(2025, 1, 1).unwrap_or_default().and_time(chrono::NaiveTime::MIN).and_utc()
}

fn parse(text: &str) -> Result<Cron, ScheduleError> {
    if text.len() > SCHEDULE_MAX_BYTES {
        return Err(ScheduleError::TooLong);
    }
    let trimmed = text.trim();
    if trimmed.starts_with("TZ=") || trimmed.starts_with("CRON_TZ=") {
        return Err(ScheduleError::ZoneWithin(text.to_owned()));
    }
    let fields = match trimmed {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        word if word.starts_with('@') => return Err(ScheduleError::Word(word.to_owned())),
        fields => fields,
    };
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    parser.parse(fields).map_err(|e| ScheduleError::Syntax { text: text.to_owned(), why: why(&e.to_string()) })
}

/// Croner's sentence, to stand within ours.
fn why(sentence: &str) -> String {
    sentence.trim_end_matches('.').replace("CronPattern", "it")
}

/// As in cron(8): a `*` among seconds, minutes or hours makes a beat, and anything else names times of day.
fn names_times(cron: &Cron) -> bool {
    let pattern = &cron.pattern;
    ![&pattern.seconds, &pattern.minutes, &pattern.hours].iter().any(|field| field.from_wildcard)
}

#[cfg(test)]
mod tests;
