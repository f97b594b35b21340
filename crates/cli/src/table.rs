//! Tables as kubectl draws them.

mod binding;
pub(crate) mod cell;
mod change;
mod cluster;
mod column;
mod condition;
mod delivery;
mod grant;
mod holder;
mod layout;
mod maintenance_window;
mod placement;
mod project;
mod refusal;
mod role_assignment;
mod rotation;
mod secret;
mod source;
mod token;
mod why;

use serde_json::Value;

use crate::kind::{Kind, Registered};
use column::rows;
pub(crate) use delivery::versions;
pub(crate) use grant::selector;
pub(crate) use layout::{Style, Table, Width};
pub(crate) use role_assignment::scope;

/// `items` of `kind` as a table.
pub(crate) fn of(kind: Kind, items: &[Value], width: Width) -> anyhow::Result<Table> {
    match kind {
        Kind::Registered(Registered::Project) => rows(project::COLUMNS, items, width),
        Kind::Registered(Registered::Source) => rows(source::COLUMNS, items, width),
        Kind::Registered(Registered::Cluster) => rows(cluster::COLUMNS, items, width),
        Kind::Registered(Registered::Grant) => rows(grant::COLUMNS, items, width),
        Kind::Registered(Registered::Binding) => rows(binding::COLUMNS, items, width),
        Kind::Registered(Registered::RoleAssignment) => rows(role_assignment::COLUMNS, items, width),
        Kind::Registered(Registered::Rotation) => rows(rotation::COLUMNS, items, width),
        Kind::Registered(Registered::MaintenanceWindow) => rows(maintenance_window::COLUMNS, items, width),
        Kind::Secret => rows(secret::COLUMNS, items, width),
        Kind::Placement => rows(placement::COLUMNS, items, width),
        Kind::Delivery => rows(delivery::COLUMNS, items, width),
        Kind::Change => rows(change::COLUMNS, items, width),
        Kind::Token => rows(token::COLUMNS, items, width),
        Kind::Refusal => rows(refusal::COLUMNS, items, width),
    }
}

/// An explanation's bindings and grants, each as a table.
pub(crate) fn of_why(why: &Value) -> anyhow::Result<[Table; 2]> {
    let items = |field: &str| why[field].as_array().cloned().unwrap_or_default();
    Ok([rows(why::BINDINGS, &items("bindings"), Width::Usual)?, rows(why::GRANTS, &items("grants"), Width::Usual)?])
}

/// Runs of a rotation as a table.
pub(crate) fn of_runs(runs: &[Value], width: Width) -> anyhow::Result<Table> {
    rows(rotation::RUNS, runs, width)
}

/// Those that have a secret, as a table.
pub(crate) fn of_holders(holders: &[Value], width: Width) -> anyhow::Result<Table> {
    rows(holder::COLUMNS, holders, width)
}

/// What each of these deliveries draws, as a table.
pub(crate) fn of_drawn(deliveries: &[Value]) -> anyhow::Result<Table> {
    rows(delivery::DRAWN, deliveries, Width::Usual)
}

/// Conditions as a table.
pub(crate) fn of_conditions(conditions: &[Value]) -> anyhow::Result<Table> {
    rows(condition::COLUMNS, conditions, Width::Usual)
}

#[cfg(test)]
mod tests;
