//! A grant's columns.

use lockstep_api::grant::{Grant, GrantedPaths};
use lockstep_api::selector::Selector;

use super::cell::Cell;
use super::cluster::labels;
use super::column::Column;

pub(super) const COLUMNS: &[Column<Grant>] = &[
    Column::usual("NAME", |g| Cell::text(&g.metadata.name)),
    Column::usual("PROJECT", |g| Cell::text(&g.spec.project)),
    Column::usual("CLUSTERS", |g| Cell::optional(g.status.as_ref().map(|s| s.clusters))),
    Column::usual("AGE", |g| Cell::Age(g.metadata.creation_timestamp)),
    Column::wide("PATHS", |g| Cell::text(&g.spec.paths.iter().map(paths).collect::<Vec<_>>().join(","))),
    Column::wide("NAMESPACES", |g| Cell::text(&g.spec.namespaces.join(","))),
    Column::wide("SELECTOR", |g| Cell::text(&selector(&g.spec.clusters))),
];

/// As in `corp/kv/payments/**`.
fn paths(paths: &GrantedPaths) -> String {
    paths.globs.iter().map(|glob| format!("{}/{}/{glob}", paths.source, paths.mount)).collect::<Vec<_>>().join(",")
}

/// The text form, as `-l` takes it.
pub(crate) fn selector(selector: &Selector) -> String {
    let mut parts = vec![labels(&selector.match_labels)];
    for expression in &selector.match_expressions {
        let (key, values) = (&expression.key, expression.values.join(","));
        parts.push(match expression.operator.as_str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.clone(),
        });
    }
    parts.retain(|part| !part.is_empty());
    if parts.is_empty() { "<all>".to_owned() } else { parts.join(",") }
}
