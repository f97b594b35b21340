//! A refusal's columns.

use lockstep_api::refusal::Refusal;

use super::cell::Cell;
use super::column::Column;

pub(super) const COLUMNS: &[Column<Refusal>] = &[
    Column::usual("LAST", |r| Cell::Age(Some(r.last_at))),
    Column::usual("TIMES", |r| Cell::text(&r.times)),
    Column::usual("ACTOR", |r| Cell::text(&r.actor)),
    Column::usual("ACTION", |r| Cell::text(r.action.split(' ').next().unwrap_or_default())),
    Column::usual("SUBJECT", |r| Cell::text(&r.subject)),
    Column::usual("CODE", |r| Cell::text(&r.code)),
    Column::wide("FIRST", |r| Cell::Age(Some(r.first_at))),
    Column::wide("REASON", |r| Cell::text(&r.reason)),
];
