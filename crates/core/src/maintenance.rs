//! Maintenance windows and freezes: when a rotation may act at all, whatever its own schedule says.
//!
//! A rotation is a project's and reaches clusters. Each scope that windows allow at, and that covers the project or any of these clusters, has a
//! say of its own: one of the windows of that very scope must be open, so that nobody opens what others keep shut. Where a freeze covers
//! the project or any of the clusters, nothing happens. What no window covers is open.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::label::Labels;
use crate::name::{ClusterName, MaintenanceWindowName, ProjectName};
use crate::schedule::Schedule;
use crate::selector::Selector;

mod check;

pub use check::{OCCURRENCES_MAX, WindowError};

/// The most steps from one window to the next that a common opening is looked for.
pub const OPENINGS_LOOKED_AT: usize = 1_000;

const NEVER: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;

/// The most occurrences of one window that are taken together, where one begins as the one before it ends.
const JOINED_MAX: usize = 1_000;

/// One window, or a freeze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Whom it is for, which is also who may write it: an admin there.
    pub scope: Scope,
    /// What it says.
    pub rule: Rule,
}

/// Whom a window is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// A project's rotations, wherever they reach.
    Project(ProjectName),
    /// Whatever reaches these clusters.
    Clusters(Selector),
    /// All rotations.
    Everything,
}

/// What a window says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// Only for so long from each due time on.
    Allow {
        /// When it opens.
        schedule: Schedule,
        /// For how long, as time goes by and not as the clock on the wall shows it.
        #[serde(with = "crate::duration::text")]
        duration: Duration,
    },
    /// Not at all from one instant until another.
    Freeze {
        /// The first instant that is frozen.
        from: DateTime<Utc>,
        /// The first that is not.
        until: DateTime<Utc>,
    },
}

/// A window under its name.
pub type Named = (MaintenanceWindowName, Window);

/// Whether something may act now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// It may.
    Open,
    /// It may not.
    Closed {
        /// The window that says so: a freeze that holds, or of those that would allow, the one that opens first.
        because: MaintenanceWindowName,
        /// When that one changes its mind; another may still be of its own. `None`: not within the years that are looked at.
        until: Option<DateTime<Utc>>,
    },
}

/// Where one window stands by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Whether it allows now, or freezes now.
    pub active: bool,
    /// When that changes next.
    pub changes: Option<DateTime<Utc>>,
}

impl Window {
    /// Where it stands at `now`.
    pub fn state(&self, now: DateTime<Utc>) -> State {
        match &self.rule {
            Rule::Allow { schedule, duration } => allowed(schedule, *duration, now),
            Rule::Freeze { from, .. } if now < *from => State { active: false, changes: Some(*from) },
            Rule::Freeze { until, .. } if now < *until => State { active: true, changes: Some(*until) },
            Rule::Freeze { .. } => State { active: false, changes: None },
        }
    }

    fn covers(&self, project: &ProjectName, cluster: Option<&Labels>) -> bool {
        match &self.scope {
            Scope::Project(owner) => owner == project,
            Scope::Clusters(selector) => cluster.is_some_and(|labels| selector.matches(labels)),
            Scope::Everything => true,
        }
    }

    fn freezes(&self) -> bool {
        matches!(self.rule, Rule::Freeze { .. })
    }
}

/// Open from each due time for `duration`; where the next begins before the end, on to the end of that one.
fn allowed(schedule: &Schedule, duration: Duration, now: DateTime<Utc>) -> State {
    let duration = TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
    let Some(opened) = now.checked_sub_signed(duration).and_then(|begin| schedule.last_within(begin, now)) else {
        return State { active: false, changes: schedule.next_after(now) };
    };
    let joins = |begun: &DateTime<Utc>| schedule.next_after(*begun).filter(|next| *next <= *begun + duration);
    let last = std::iter::successors(Some(opened), joins).take(JOINED_MAX).last().unwrap_or(opened);
    State { active: true, changes: Some(last + duration) }
}

/// Whether `project` may act on all these clusters at `now`. Without clusters, what is said of the project and of everything still holds.
pub fn open_at(windows: &[Named], project: &ProjectName, clusters: &[(ClusterName, Labels)], now: DateTime<Utc>) -> Opening {
    let concerned: Vec<Option<&Labels>> =
        if clusters.is_empty() { vec![None] } else { clusters.iter().map(|(_, labels)| Some(labels)).collect() };
    let frozen = windows.iter().filter(|(_, window)| {
        window.freezes() && window.state(now).active && concerned.iter().any(|cluster| window.covers(project, *cluster))
    });
    // The freeze that holds longest; of one that ends sooner nobody needs to know.
    if let Some((until, because)) = frozen.map(|(name, window)| (window.state(now).changes, name)).max() {
        return Opening::Closed { because: because.clone(), until };
    }
    let allowing: Vec<(&Named, State)> = windows
        .iter()
        .filter(|(_, window)| !window.freezes() && concerned.iter().any(|cluster| window.covers(project, *cluster)))
        .map(|named| (named, named.1.state(now)))
        .collect();
    let shut = allowing.iter().filter_map(|((_, window), _)| shut_until(&allowing, &window.scope));
    match shut.max() {
        Some((until, because)) => Opening::Closed { because: because.clone(), until: Some(until).filter(|at| *at < NEVER) },
        None => Opening::Open,
    }
}

/// Which window of this scope opens first, and when; `None` while one is open.
fn shut_until<'a>(allowing: &[(&'a Named, State)], scope: &Scope) -> Option<(DateTime<Utc>, &'a MaintenanceWindowName)> {
    let of_scope = || allowing.iter().filter(|((_, window), _)| window.scope == *scope);
    if of_scope().any(|(_, state)| state.active) {
        return None;
    }
    of_scope().map(|((name, _), state)| (state.changes.unwrap_or(NEVER), name)).min()
}

/// The first instant from `now` on at which it is open; `None` where [`OPENINGS_LOOKED_AT`] steps did not find one.
pub fn next_opening(
    windows: &[Named],
    project: &ProjectName,
    clusters: &[(ClusterName, Labels)],
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let mut at = now;
    for _ in 0..OPENINGS_LOOKED_AT {
        match open_at(windows, project, clusters, at) {
            Opening::Open => return Some(at),
            Opening::Closed { until, .. } => at = until?,
        }
    }
    None
}

#[cfg(test)]
mod tests;
