//! Why a secret goes to a cluster: the columns of bindings and of grants.

use lockstep_api::why::{BindingReason, GrantReason};

use super::cell::Cell;
use super::column::Column;

pub(super) const BINDINGS: &[Column<BindingReason>] = &[
    Column::usual("BINDING", |b| Cell::text(&b.name)),
    Column::usual("PROJECT", |b| Cell::text(&b.project)),
    Column::usual("ALLOWED", |b| Cell::word(if b.allowed { "True" } else { "False" })),
    Column::usual("GRANTS", |b| Cell::text(&b.grants.join(","))),
    Column::usual("STATUS", |b| Cell::word(b.status.as_deref().unwrap_or_default())),
    Column::usual("REASON", |b| Cell::text(&b.reason)),
];

pub(super) const GRANTS: &[Column<GrantReason>] = &[
    Column::usual("GRANT", |g| Cell::text(&g.name)),
    Column::usual("PROJECT", |g| Cell::text(&g.project)),
    Column::usual("ALLOWS", |g| Cell::word(if g.allows { "True" } else { "False" })),
    Column::usual("REASON", |g| Cell::text(&g.reason)),
];
