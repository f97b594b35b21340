//! An API token's columns.

use lockstep_api::access::Access;
use lockstep_api::token::Token;

use super::cell::Cell;
use super::column::Column;
use super::role_assignment::scope;

pub(super) const COLUMNS: &[Column<Token>] = &[
    Column::usual("NAME", |t| Cell::text(&t.name)),
    Column::usual("ROLE", |t| each(&t.access, |a| a.role.clone())),
    Column::usual("SCOPE", |t| each(&t.access, |a| scope(&a.scope))),
    Column::usual("EXPIRES", |t| t.expires_at.map_or(Cell::text("never"), Cell::Until)),
    Column::usual("USED", |t| Cell::Age(t.last_used_at)),
    Column::usual("AGE", |t| Cell::Age(Some(t.created_at))),
    Column::wide("DESCRIPTION", |t| Cell::optional(t.description.as_ref())),
];

fn each(access: &[Access], of: fn(&Access) -> String) -> Cell {
    Cell::text(&access.iter().map(of).collect::<Vec<_>>().join(";"))
}
