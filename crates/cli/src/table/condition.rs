//! A condition's columns, and conditions in other tables.

use lockstep_api::manifest::Condition;

use super::cell::Cell;
use super::column::Column;

pub(super) const COLUMNS: &[Column<Condition>] = &[
    Column::usual("TYPE", |c| Cell::text(&c.condition)),
    Column::usual("STATUS", |c| Cell::word(&c.status)),
    Column::usual("REASON", |c| Cell::text(&c.reason)),
    Column::usual("MESSAGE", |c| Cell::text(&c.message)),
];

/// The status of the condition called `name`.
pub(super) fn status(conditions: Option<&[Condition]>, name: &str) -> Cell {
    Cell::word(find(conditions, name).map_or("", |c| c.status.as_str()))
}

/// Why the condition called `name` is not met.
pub(super) fn message(conditions: Option<&[Condition]>, name: &str) -> Cell {
    Cell::optional(find(conditions, name).filter(|c| c.status != "True").map(|c| c.message.as_str()))
}

fn find<'a>(conditions: Option<&'a [Condition]>, name: &str) -> Option<&'a Condition> {
    conditions?.iter().find(|c| c.condition == name)
}
