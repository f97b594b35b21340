//! A maintenance window's columns.

use lockstep_api::maintenance_window::{MaintenanceWindow, MaintenanceWindowSpec};

use super::cell::{Cell, NOTHING};
use super::column::Column;
use super::grant::selector;

pub(super) const COLUMNS: &[Column<MaintenanceWindow>] = &[
    Column::usual("NAME", |w| Cell::text(&w.metadata.name)),
    Column::usual("SCOPE", |w| Cell::text(&scope(&w.spec))),
    Column::usual("RULE", |w| Cell::text(&rule(&w.spec))),
    Column::usual("STATE", |w| Cell::word(w.status.as_ref().map_or(NOTHING, |status| &status.state))),
    Column::usual("CHANGES IN", |w| match w.status.as_ref().and_then(|status| status.next_change) {
        Some(at) => Cell::Until(at),
        None => Cell::text(NOTHING),
    }),
    Column::wide("CHANGES AT", |w| Cell::optional(w.status.as_ref().and_then(|status| status.next_change))),
    Column::usual("AGE", |w| Cell::Age(w.metadata.creation_timestamp)),
];

/// As in `project/payments` and `clusters/env=prod`.
fn scope(spec: &MaintenanceWindowSpec) -> String {
    match (&spec.project, &spec.clusters) {
        (Some(project), _) => format!("project/{project}"),
        (None, Some(clusters)) => format!("clusters/{}", selector(clusters)),
        (None, None) => "everything".to_owned(),
    }
}

/// As in `allow 2h from 0 2 * * SAT Europe/Berlin` and `freeze 2026-12-20 00:00:00 UTC to 2027-01-02 00:00:00 UTC`.
fn rule(spec: &MaintenanceWindowSpec) -> String {
    match (&spec.allow, &spec.freeze) {
        (Some(allow), _) => {
            format!("allow {} from {} {}", allow.duration, allow.schedule, allow.time_zone.as_deref().unwrap_or("UTC"))
        }
        (None, Some(freeze)) => format!("freeze {} to {}", freeze.from, freeze.until),
        (None, None) => NOTHING.to_owned(),
    }
}
