//! A binding's columns.

use lockstep_api::binding::{Binding, BindingStatus, Target};
use lockstep_api::manifest::Condition;

use super::cell::{Cell, NOTHING};
use super::cluster::in_sync;
use super::column::Column;
use super::{condition, grant};

pub(super) const COLUMNS: &[Column<Binding>] = &[
    Column::usual("NAME", |b| Cell::text(&b.metadata.name)),
    Column::usual("PROJECT", |b| Cell::text(&b.spec.project)),
    Column::usual("CLUSTERS", |b| Cell::optional(b.status.as_ref().map(|s| s.clusters))),
    Column::usual("IN-SYNC", |b| condition::status(conditions(b), "InSync")),
    Column::usual("DELIVERIES", |b| Cell::text(&b.status.as_ref().map_or(NOTHING.to_owned(), deliveries))),
    Column::usual("TARGET", |b| Cell::text(&target(&b.spec.target))),
    Column::usual("AGE", |b| Cell::Age(b.metadata.creation_timestamp)),
    Column::wide("ITEMS", |b| Cell::text(&items(b))),
    Column::wide("SELECTOR", |b| Cell::text(&grant::selector(&b.spec.clusters))),
    Column::wide("REASON", |b| condition::message(conditions(b), "InSync")),
];

fn conditions(binding: &Binding) -> Option<&[Condition]> {
    binding.status.as_ref().map(|s| s.conditions.as_slice())
}

/// As in `2/2, pinned to 3`.
fn deliveries(status: &BindingStatus) -> String {
    let pinned = status.pinned.iter().map(|pinned| format!(", pinned to {}", pinned.version));
    in_sync(&status.deliveries) + &pinned.collect::<String>()
}

/// As in `secret/checkout-db`.
fn target(target: &Target) -> String {
    let secret = target.secret.as_ref().map(|s| format!("secret/{}", s.name));
    secret.or_else(|| target.directory.as_ref().map(|d| format!("directory/{}", d.name))).unwrap_or_default()
}

/// As in `corp/kv/payments/checkout/db`.
fn items(binding: &Binding) -> String {
    let items = binding.spec.items.iter();
    items.map(|item| format!("{}/{}/{}", item.source, item.mount, item.place())).collect::<Vec<_>>().join(",")
}
