//! What is refused when a window is written.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;

use super::{Named, Rule, Window};
use crate::duration;
use crate::name::MaintenanceWindowName;
use crate::schedule::Schedule;

/// The most occurrences within a year that are compared with another window's.
pub const OCCURRENCES_MAX: usize = 10_000;

/// How far ahead overlaps are looked for.
const AHEAD: TimeDelta = TimeDelta::days(366);

/// Why a window is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WindowError {
    /// Open for no time at all.
    #[error("a window that is open for 0s is never open")]
    Empty,
    /// It is due again before it closes.
    #[error("a window of {} opens again after {}: make it shorter, or the schedule rarer", duration::print(*.duration), duration::print(*.interval))]
    OverlapsItself {
        /// How long it is open.
        duration: Duration,
        /// The shortest time between two openings.
        interval: Duration,
    },
    /// Two windows of one scope are open at once.
    #[error("it is open at {at} while {other} of the same scope is: make them one, or move one")]
    Overlaps {
        /// The other.
        other: MaintenanceWindowName,
        /// The first time, at most a year ahead.
        at: DateTime<Utc>,
    },
    /// A freeze that ends before it begins.
    #[error("a freeze from {from} cannot end at {until}")]
    Backwards {
        /// Its beginning.
        from: DateTime<Utc>,
        /// Its end.
        until: DateTime<Utc>,
    },
    /// A freeze that is over.
    #[error("a freeze until {0} is over already")]
    Over(DateTime<Utc>),
}

impl Window {
    /// Checks it by itself, whenever that is.
    pub fn check(&self) -> Result<(), WindowError> {
        match &self.rule {
            Rule::Allow { duration, .. } if duration.is_zero() => Err(WindowError::Empty),
            Rule::Allow { schedule, duration } => {
                let interval = schedule.shortest_interval().to_std().unwrap_or(Duration::MAX);
                if *duration > interval { Err(WindowError::OverlapsItself { duration: *duration, interval }) } else { Ok(()) }
            }
            Rule::Freeze { from, until } if until <= from => Err(WindowError::Backwards { from: *from, until: *until }),
            Rule::Freeze { .. } => Ok(()),
        }
    }

    /// Checks that it is of any use to write it now.
    pub fn check_at(&self, now: DateTime<Utc>) -> Result<(), WindowError> {
        match &self.rule {
            Rule::Freeze { until, .. } if *until <= now => Err(WindowError::Over(*until)),
            Rule::Freeze { .. } | Rule::Allow { .. } => Ok(()),
        }
    }

    /// Checks that of `others`, none of the very same scope is open when this one is, within a year from `now` and as far as
    /// [`OCCURRENCES_MAX`] of the rarer of the two go.
    pub fn check_beside<'a>(&self, others: impl IntoIterator<Item = &'a Named>, now: DateTime<Utc>) -> Result<(), WindowError> {
        let Rule::Allow { schedule, duration } = &self.rule else { return Ok(()) };
        for (name, other) in others.into_iter().filter(|(_, other)| other.scope == self.scope) {
            let Rule::Allow { schedule: theirs, duration: as_long } = &other.rule else { continue };
            if let Some(at) = both_open((schedule, *duration), (theirs, *as_long), now) {
                return Err(WindowError::Overlaps { other: name.clone(), at });
            }
        }
        Ok(())
    }
}

/// The first instant at which both are open. The one that is due less often is walked, and the other asked beside each of its times.
fn both_open(a: (&Schedule, Duration), b: (&Schedule, Duration), now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let (rare, often) = if a.0.shortest_interval() >= b.0.shortest_interval() { (a, b) } else { (b, a) };
    let (rare_for, often_for) = (TimeDelta::from_std(rare.1).ok()?, TimeDelta::from_std(often.1).ok()?);
    let mut times = rare.0.after(now - rare_for).take_while(|opened| *opened < now + AHEAD).take(OCCURRENCES_MAX);
    times.find_map(|opened| {
        let beside = often.0.next_after(opened - often_for).filter(|other| *other < opened + rare_for)?;
        Some(beside.max(opened))
    })
}
