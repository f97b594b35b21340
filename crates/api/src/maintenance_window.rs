//! Maintenance windows and freezes: when rotations may act.

use chrono::{DateTime, Utc};
use lockstep_core::duration;
use lockstep_core::maintenance::{Rule, Scope, State, Window, WindowError};
use lockstep_core::schedule::{Schedule, ScheduleError};
use serde::{Deserialize, Serialize};

use crate::field::{FieldError, Mistakes};
use crate::manifest::Manifest;
use crate::selector::Selector;

/// A maintenance window's manifest.
pub type MaintenanceWindow = Manifest<MaintenanceWindowSpec, MaintenanceWindowStatus>;

/// For whom and when: at most one of `project` and `clusters`, exactly one of `allow` and `freeze`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MaintenanceWindowSpec {
    /// A project's name: its rotations. Neither this nor `clusters`: all rotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Rotations that reach any of these clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Selector>,
    /// They act within these times only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
    /// They do not act in this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Freeze>,
}

/// Times that come again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Allow {
    /// When it opens: the five fields of cron, `@daily` and the like, or six fields with seconds first.
    pub schedule: String,
    /// A time zone of the IANA database, such as `Europe/Berlin`; UTC if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// For how long, such as `2h` or `1h30m`.
    pub duration: String,
}

/// One time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Freeze {
    /// Its first instant.
    pub from: DateTime<Utc>,
    /// The first instant after it.
    pub until: DateTime<Utc>,
}

/// Where a window stands by itself, by Postgres' clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MaintenanceWindowStatus {
    /// Of times that are allowed `Open` or `Closed`; of a freeze `Upcoming`, `Frozen` or `Over`.
    pub state: String,
    /// When that changes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_change: Option<DateTime<Utc>>,
}

impl MaintenanceWindowStatus {
    /// How `window` is at `now`.
    pub fn of(window: &Window, now: DateTime<Utc>) -> Self {
        let State { active, changes } = window.state(now);
        let state = match (&window.rule, active, changes) {
            (Rule::Allow { .. }, true, _) => "Open",
            (Rule::Allow { .. }, false, _) => "Closed",
            (Rule::Freeze { .. }, true, _) => "Frozen",
            (Rule::Freeze { .. }, false, Some(_)) => "Upcoming",
            (Rule::Freeze { .. }, false, None) => "Over",
        };
        Self { state: state.to_owned(), next_change: changes }
    }
}

/// The field that such a mistake is in.
pub fn field_of(error: &WindowError) -> &'static str {
    match error {
        WindowError::Empty | WindowError::OverlapsItself { .. } => "spec.allow.duration",
        WindowError::Overlaps { .. } => "spec.allow",
        WindowError::Backwards { .. } | WindowError::Over(_) => "spec.freeze.until",
    }
}

impl TryFrom<&MaintenanceWindowSpec> for Window {
    type Error = Vec<FieldError>;
    fn try_from(wire: &MaintenanceWindowSpec) -> Result<Self, Vec<FieldError>> {
        let mut mistakes = Mistakes::default();
        let scope = match (&wire.project, &wire.clusters) {
            (Some(project), None) => mistakes.parse("spec.project", project).map(Scope::Project),
            (None, Some(clusters)) => clusters.check("spec.clusters", &mut mistakes).map(Scope::Clusters),
            (None, None) => Some(Scope::Everything),
            (Some(_), Some(_)) => {
                mistakes.add("spec", "at most one of project and clusters can be given");
                None
            }
        };
        let rule = match (&wire.allow, &wire.freeze) {
            (Some(allow), None) => check_allow(allow, &mut mistakes),
            (None, Some(Freeze { from, until })) => Some(Rule::Freeze { from: *from, until: *until }),
            _ => {
                mistakes.add("spec", "exactly one of allow and freeze is needed");
                None
            }
        };
        let window = scope.zip(rule).map(|(scope, rule)| Self { scope, rule });
        if let Some(Err(error)) = window.as_ref().map(Self::check) {
            mistakes.add(field_of(&error), error);
        }
        mistakes.finish(window)
    }
}

fn check_allow(wire: &Allow, mistakes: &mut Mistakes) -> Option<Rule> {
    let schedule = Schedule::new(&wire.schedule, wire.time_zone.as_deref()).map_err(|error| {
        let field = if matches!(error, ScheduleError::Zone { .. }) { "timeZone" } else { "schedule" };
        mistakes.add(format!("spec.allow.{field}"), error);
    });
    let duration = mistakes.take("spec.allow.duration", duration::parse(&wire.duration));
    Some(Rule::Allow { schedule: schedule.ok()?, duration: duration? })
}

impl From<&Window> for MaintenanceWindowSpec {
    fn from(checked: &Window) -> Self {
        let (project, clusters) = match &checked.scope {
            Scope::Project(project) => (Some(project.to_string()), None),
            Scope::Clusters(selector) => (None, Some(selector.into())),
            Scope::Everything => (None, None),
        };
        let (allow, freeze) = match &checked.rule {
            Rule::Allow { schedule, duration } => {
                let time_zone = schedule.time_zone().map(str::to_owned);
                (Some(Allow { schedule: schedule.text().to_owned(), time_zone, duration: duration::print(*duration) }), None)
            }
            Rule::Freeze { from, until } => (None, Some(Freeze { from: *from, until: *until })),
        };
        Self { project, clusters, allow, freeze }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(spec: Value) -> Result<Window, Vec<FieldError>> {
        Window::try_from(&serde_json::from_value::<MaintenanceWindowSpec>(spec).unwrap())
    }

    #[test]
    fn what_is_checked_is_shown_as_it_was_written() {
        for good in [
            json!({"project": "payments", "allow": {"schedule": "0 2 * * SAT", "timeZone": "Europe/Berlin", "duration": "1h30m"}}),
            json!({"clusters": {"matchLabels": {"env": "prod"}}, "allow": {"schedule": "@daily", "duration": "2h"}}),
            json!({"freeze": {"from": "2026-12-20T00:00:00Z", "until": "2027-01-02T00:00:00Z"}}),
        ] {
            let checked = check(good.clone()).unwrap();
            assert_eq!(serde_json::to_value(MaintenanceWindowSpec::from(&checked)).unwrap(), good);
        }
    }

    #[test]
    fn every_mistake_is_named() {
        let allow = json!({"schedule": "@daily", "duration": "1h"});
        let freeze = json!({"from": "2026-12-20T00:00:00Z", "until": "2027-01-02T00:00:00Z"});
        for (bad, fields) in [
            (json!({}), &["spec"][..]),
            (json!({"allow": allow, "freeze": freeze}), &["spec"]),
            (json!({"project": "p", "clusters": {}, "allow": allow}), &["spec"]),
            (
                json!({"project": "P", "allow": {"schedule": "x", "duration": "y"}}),
                &["spec.project", "spec.allow.schedule", "spec.allow.duration"],
            ),
            (json!({"allow": {"schedule": "@daily", "timeZone": "Berlin", "duration": "1h"}}), &["spec.allow.timeZone"]),
            (json!({"allow": {"schedule": "@hourly", "duration": "61m"}}), &["spec.allow.duration"]),
            (json!({"allow": {"schedule": "@hourly", "duration": "0s"}}), &["spec.allow.duration"]),
            (json!({"freeze": {"from": "2027-12-20T00:00:00Z", "until": "2027-01-02T00:00:00Z"}}), &["spec.freeze.until"]),
        ] {
            let mistakes = check(bad.clone()).expect_err("it has mistakes");
            assert_eq!(mistakes.iter().map(|m| m.field.as_str()).collect::<Vec<_>>(), fields, "{bad}");
        }
    }
}
