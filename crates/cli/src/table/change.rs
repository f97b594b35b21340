//! A change's columns.

use lockstep_api::change::Change;
use serde_json::Value;

use super::cell::Cell;
use super::column::Column;

pub(super) const COLUMNS: &[Column<Change>] = &[
    Column::usual("CHANGE", |c| Cell::text(&c.seq)),
    Column::usual("AGE", |c| Cell::Age(Some(c.at))),
    Column::usual("ACTOR", |c| Cell::text(&c.actor)),
    Column::usual("KIND", |c| Cell::text(&c.kind)),
    Column::usual("SUBJECT", |c| Cell::text(&c.subject)),
    Column::wide("EPOCH", |c| Cell::text(&c.epoch)),
    Column::wide("HASH", |c| Cell::text(&c.hash)),
    Column::wide("DETAIL", |c| Cell::optional(Some(&c.detail).filter(|d| !matches!(d, Value::Null)))),
];
