//! A source's columns.

use lockstep_api::manifest::Condition;
use lockstep_api::source::Source;

use super::cell::Cell;
use super::column::Column;
use super::condition;

pub(super) const COLUMNS: &[Column<Source>] = &[
    Column::usual("NAME", |s| Cell::text(&s.metadata.name)),
    Column::usual("READY", |s| condition::status(conditions(s), "Ready")),
    Column::usual("SECRETS", |s| Cell::optional(s.status.as_ref().map(|s| s.secrets))),
    Column::usual("SWEPT", |s| Cell::Age(s.status.as_ref().and_then(|s| s.last_swept_at))),
    Column::usual("AGE", |s| Cell::Age(s.metadata.creation_timestamp)),
    Column::wide("ADDRESSES", |s| Cell::text(&s.spec.addresses.join(","))),
    Column::wide("READ-AS", |s| Cell::text(s.spec.read_as.as_deref().unwrap_or("Server"))),
    Column::wide("CREDENTIALS", |s| Cell::text(&s.spec.credentials)),
    Column::wide("WATCHED-BY", |s| Cell::optional(s.status.as_ref().and_then(|s| s.watched_by.as_ref()))),
    Column::wide("REASON", |s| condition::message(conditions(s), "Ready")),
];

fn conditions(source: &Source) -> Option<&[Condition]> {
    source.status.as_ref().map(|s| s.conditions.as_slice())
}
