//! A secret's columns.

use lockstep_api::secret::Secret;

use super::cell::Cell;
use super::column::Column;

pub(super) const COLUMNS: &[Column<Secret>] = &[
    Column::usual("SOURCE", |s| Cell::text(&s.source)),
    Column::usual("MOUNT", |s| Cell::text(&s.mount)),
    Column::usual("PATH", |s| Cell::text(&s.path)),
    Column::usual("STATE", |s| Cell::word(&s.state)),
    Column::usual("VERSION", |s| Cell::optional(s.version)),
    Column::usual("WRITTEN", |s| Cell::Age(s.version_created_at)),
    Column::usual("BINDINGS", |s| Cell::text(&s.bindings)),
    Column::wide("ENGINE", |s| Cell::text(&s.engine)),
    Column::wide("INCARNATION", |s| Cell::optional(s.incarnation.map(|i| i.to_rfc3339()))),
    Column::wide("UID", |s| Cell::text(&s.uid)),
];
