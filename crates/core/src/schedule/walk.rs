//! The walk from an instant to the next due time: through local days and times of day as croner judges them, and back to instants.
//!
//! Where the clocks change, as cron(8) and croner's own rule have it: a schedule that names times of day meets each once, one that the
//! clocks jump over at the end of the jump and one that comes twice at its first coming; a beat goes on by the clock on the wall, so
//! it beats through both passes of a repeated hour and not at all in one that is left out.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, TimeZone as _};
use chrono::{Timelike as _, Utc};
use chrono_tz::Tz;
use croner::{Direction, TimeComponent};

use super::Schedule;

/// How far ahead a due time is looked for: the 29th of February falls on a given weekday again after 40 years at the latest.
pub const YEARS_AHEAD_MAX: u32 = 41;

/// Further from a local time than any clock was ever set forward or back, and than any offset from UTC.
const SHIFT_MAX: TimeDelta = TimeDelta::hours(26);

/// The first due time after `instant`.
pub(super) fn next_after(schedule: &Schedule, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let now = local(schedule.zone, instant);
    let horizon = now.date().checked_add_months(Months::new(12 * YEARS_AHEAD_MAX))?;
    // What is due is due on a whole second, so the next can be no sooner than on the next.
    let mut from = now.with_nanosecond(0)?.checked_add_signed(TimeDelta::seconds(1))?;
    loop {
        let due = matching(schedule, from, horizon)?;
        let (at, again) = match schedule.zone.from_local_datetime(&due) {
            chrono::LocalResult::Single(at) => (at.to_utc(), None),
            chrono::LocalResult::Ambiguous(first, second) if schedule.fixed => (first.min(second).to_utc(), None),
            chrono::LocalResult::Ambiguous(first, second) => (first.min(second).to_utc(), Some(first.max(second).to_utc())),
            chrono::LocalResult::None => {
                let end = end_of_gap(schedule.zone, due);
                if schedule.fixed {
                    (end, None)
                } else {
                    from = local(schedule.zone, end);
                    continue;
                }
            }
        };
        match [Some(at), again].into_iter().flatten().find(|at| *at > instant) {
            Some(at) => return Some(in_second_pass(schedule, instant, horizon).map_or(at, |sooner| sooner.min(at))),
            // A fixed time that came in the first pass, asked for in the second.
            None => from = due.checked_add_signed(TimeDelta::seconds(1))?,
        }
    }
}

/// For a beat, asked for in the first pass of a repeated hour: the first beat of the second pass. Its local times lie before
/// `instant`'s, where the walk does not come by.
fn in_second_pass(schedule: &Schedule, instant: DateTime<Utc>, horizon: NaiveDate) -> Option<DateTime<Utc>> {
    let zone = schedule.zone;
    let first_pass = |second: &DateTime<Tz>| second.to_utc() > instant;
    let second = zone.from_local_datetime(&local(zone, instant)).latest().filter(first_pass).filter(|_| !schedule.fixed)?;
    let begin = change(zone, instant, second.to_utc());
    let due = matching(schedule, local(zone, begin), horizon)?;
    // Where that is beyond the second pass, it is no sooner than what the walk finds.
    zone.from_local_datetime(&due).latest().map(|due| due.to_utc())
}

/// The first local time from `from` on that the expression means, as if no clock were ever changed.
fn matching(schedule: &Schedule, from: NaiveDateTime, horizon: NaiveDate) -> Option<NaiveDateTime> {
    let pattern = &schedule.cron.pattern;
    let (mut date, mut earliest) = (from.date(), from.time());
    while date <= horizon {
        if !pattern.month_match(date.month()).ok()? {
            date = date.with_day(1)?.checked_add_months(Months::new(1))?;
            earliest = NaiveTime::MIN;
            continue;
        }
        if pattern.day_match(date.year(), date.month(), date.day()).ok()?
            && let Some(time) = time_of_day(schedule, earliest)
        {
            return Some(date.and_time(time));
        }
        date = date.checked_add_days(Days::new(1))?;
        earliest = NaiveTime::MIN;
    }
    None
}

/// The first time of day from `earliest` on.
fn time_of_day(schedule: &Schedule, earliest: NaiveTime) -> Option<NaiveTime> {
    let next = |value: u32, component| {
        schedule.cron.pattern.find_match_in_component(value, component, Direction::Forward).ok().flatten()
    };
    let (mut hour, mut minute, mut second) = (earliest.hour(), earliest.minute(), earliest.second());
    while hour < 24 {
        let found = next(hour, TimeComponent::Hour)?;
        if found > hour {
            (hour, minute, second) = (found, 0, 0);
        }
        while let Some(found) = (minute < 60).then(|| next(minute, TimeComponent::Minute)).flatten() {
            if found > minute {
                (minute, second) = (found, 0);
            }
            if let Some(second) = (second < 60).then(|| next(second, TimeComponent::Second)).flatten() {
                return NaiveTime::from_hms_opt(hour, minute, second);
            }
            (minute, second) = (minute + 1, 0);
        }
        (hour, minute, second) = (hour + 1, 0, 0);
    }
    None
}

fn local(zone: Tz, instant: DateTime<Utc>) -> NaiveDateTime {
    instant.with_timezone(&zone).naive_local()
}

/// The first instant after the jump that leaves out `missing`.
fn end_of_gap(zone: Tz, missing: NaiveDateTime) -> DateTime<Utc> {
    change(zone, missing.and_utc() - SHIFT_MAX, missing.and_utc() + SHIFT_MAX)
}

/// The first second that has another offset than `before`, known to be changed at `after`.
fn change(zone: Tz, before: DateTime<Utc>, after: DateTime<Utc>) -> DateTime<Utc> {
    let offset = |at: DateTime<Utc>| zone.offset_from_utc_datetime(&at.naive_utc()).fix();
    let before = before - TimeDelta::nanoseconds(i64::from(before.nanosecond()));
    let (old, mut low, mut high) = (offset(before), 0, (after - before).num_seconds());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if offset(before + TimeDelta::seconds(middle)) == old { low = middle } else { high = middle }
    }
    before + TimeDelta::seconds(high)
}
