//! A delivery's columns.

use lockstep_api::delivery::Delivery;

use super::cell::Cell;
use super::column::Column;

pub(super) const COLUMNS: &[Column<Delivery>] = &[
    Column::usual("CLUSTER", |d| Cell::text(&d.cluster)),
    Column::usual("BINDING", |d| Cell::text(&d.binding)),
    Column::usual("STATUS", |d| Cell::word(&d.status)),
    Column::usual("TARGETS", |d| Cell::text(&format!("{}/{}", d.targets_applied, d.targets_total))),
    Column::usual("REVISION", |d| Cell::optional(d.applied_revision.as_ref())),
    Column::usual("APPLIED", |d| Cell::Age(d.applied_at)),
    Column::wide("DESIRED", |d| Cell::text(&d.desired_revision)),
    Column::wide("PROJECT", |d| Cell::text(&d.project)),
    Column::usual("CAUSE", |d| Cell::optional(d.cause.as_ref())),
];
