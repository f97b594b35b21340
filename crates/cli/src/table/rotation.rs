//! A rotation's columns, and a run's.

use lockstep_api::manifest::Condition;
use lockstep_api::rotation::{Rotation, RotationRun, RotationSpec};

use super::cell::{Cell, NOTHING};
use super::column::Column;
use super::condition;

pub(super) const COLUMNS: &[Column<Rotation>] = &[
    Column::usual("NAME", |r| Cell::text(&r.metadata.name)),
    Column::usual("PROJECT", |r| Cell::text(&r.spec.project)),
    Column::usual("KIND", |r| Cell::text(kind(&r.spec))),
    Column::usual("SCHEDULE", |r| Cell::text(&schedule(&r.spec))),
    Column::usual("ON-TIME", |r| condition::status(conditions(r), "OnTime")),
    Column::usual("LAST", |r| last(r).map_or_else(|| Cell::text(NOTHING), |run| Cell::word(&run.state))),
    Column::usual("ENDED", |r| Cell::Age(last(r).and_then(|run| run.ended_at))),
    Column::usual("NEXT", |r| r.status.as_ref().and_then(|s| s.next_due_at).map_or_else(|| Cell::text(NOTHING), Cell::Until)),
    Column::usual("RUNNING", |r| {
        Cell::optional(r.status.as_ref().and_then(|s| s.running.as_ref()).map(|run| run.stage.as_str()))
    }),
    Column::usual("SECRET-AGE", |r| Cell::Age(r.status.as_ref().and_then(|s| s.secret_made_at))),
    Column::wide("CLUSTERS", |r| Cell::optional(r.status.as_ref().map(|s| s.clusters.len()).filter(|count| *count > 0))),
    Column::wide("REASON", |r| condition::message(conditions(r), "OnTime")),
];

pub(super) const RUNS: &[Column<RotationRun>] = &[
    Column::usual("CLUSTER", |r| Cell::optional(r.cluster.as_ref())),
    Column::usual("DUE", |r| Cell::text(&r.due_at.format("%F %T"))),
    Column::usual("BY", |r| Cell::text(&r.actor)),
    Column::usual("STATE", |r| Cell::word(&r.state)),
    Column::usual("STAGE", |r| Cell::text(&r.stage)),
    Column::usual("VERSION", |r| Cell::optional(r.version)),
    Column::usual("TOOK", |r| Cell::text(&took(r))),
    Column::usual("GAP", |r| Cell::optional(r.gap_seconds.as_ref().map(|gap| format!("{gap}s")))),
    Column::usual("MESSAGE", |r| Cell::optional(r.message.as_ref())),
    Column::wide("NOT-AFTER", |r| Cell::optional(r.not_after.map(|end| end.format("%F %T")))),
    Column::wide("STAGES", |r| Cell::text(&stages(r))),
];

fn kind(spec: &RotationSpec) -> &'static str {
    match spec {
        RotationSpec { generate: Some(_), .. } => "generate",
        RotationSpec { database_static: Some(_), .. } => "databaseStatic",
        RotationSpec { database_pair: Some(_), .. } => "databasePair",
        RotationSpec { pki: Some(_), .. } => "pki",
        _ => NOTHING,
    }
}

fn schedule(spec: &RotationSpec) -> String {
    let zone = spec.time_zone.as_ref().map(|zone| format!(" {zone}")).unwrap_or_default();
    let suspended = if spec.suspend { " (paused)" } else { "" };
    let by_life = || spec.pki.as_ref().and_then(|pki| pki.renew_at_percent).map(|percent| format!("{percent}% of life"));
    let when = spec.schedule.clone().or_else(by_life).unwrap_or_else(|| NOTHING.to_owned());
    format!("{when}{zone}{suspended}")
}

fn last(rotation: &Rotation) -> Option<&RotationRun> {
    rotation.status.as_ref()?.last.as_ref()
}

fn conditions(rotation: &Rotation) -> Option<&[Condition]> {
    rotation.status.as_ref().map(|s| s.conditions.as_slice())
}

fn took(run: &RotationRun) -> String {
    run.ended_at.map_or_else(|| NOTHING.to_owned(), |ended| format!("{:.1}s", (ended - run.started_at).as_seconds_f64()))
}

/// As in `Preparing 03:00:00, Making 03:00:01`.
fn stages(run: &RotationRun) -> String {
    run.stages.iter().map(|s| format!("{} {}", s.stage, s.at.format("%T"))).collect::<Vec<_>>().join(", ")
}
