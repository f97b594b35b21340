//! A placement's columns.

use lockstep_api::delivery::Placement;

use super::cell::Cell;
use super::column::Column;

pub(super) const COLUMNS: &[Column<Placement>] = &[
    Column::usual("CLUSTER", |p| Cell::text(&p.cluster)),
    Column::usual("BINDING", |p| Cell::text(&p.binding)),
    Column::usual("ANSWER", |p| Cell::word(&p.answer)),
    Column::usual("CHANGE", |p| Cell::text(&p.seq)),
    Column::usual("REASON", |p| Cell::optional(p.reason.as_ref())),
];
