//! A project's columns.

use lockstep_api::project::Project;

use super::cell::Cell;
use super::column::Column;

pub(super) const COLUMNS: &[Column<Project>] = &[
    Column::usual("NAME", |p| Cell::text(&p.metadata.name)),
    Column::usual("BINDINGS", |p| Cell::optional(p.status.as_ref().map(|s| s.bindings))),
    Column::usual("GRANTS", |p| Cell::optional(p.status.as_ref().map(|s| s.grants))),
    Column::usual("AGE", |p| Cell::Age(p.metadata.creation_timestamp)),
    Column::wide("DESCRIPTION", |p| Cell::optional(p.spec.description.as_ref())),
];
