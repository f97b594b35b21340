//! A delivery's columns.

use lockstep_api::delivery::{Delivery, ItemVersion};

use super::cell::{Cell, NOTHING};
use super::column::Column;

/// Versions, or paths, that a cell tells; a binding has up to 64.
const VERSIONS_SHOWN: usize = 3;

pub(super) const COLUMNS: &[Column<Delivery>] = &[
    Column::usual("CLUSTER", |d| Cell::text(&d.cluster)),
    Column::usual("BINDING", |d| Cell::text(&d.binding)),
    Column::usual("STATUS", |d| Cell::word(&d.status)),
    Column::usual("VERSION", |d| Cell::text(&versions(&d.versions))),
    Column::usual("TARGETS", |d| Cell::text(&format!("{}/{}", d.targets_applied, d.targets_total))),
    Column::usual("REVISION", |d| Cell::optional(d.applied_revision.as_ref())),
    Column::usual("APPLIED", |d| Cell::Age(d.applied_at)),
    Column::wide("DESIRED", |d| Cell::text(&d.desired_revision)),
    Column::wide("PROJECT", |d| Cell::text(&d.project)),
    Column::wide("RESTART", |d| Cell::optional(d.restart.as_ref().map(|r| r.text.as_str()))),
    Column::wide("DRIFTED", |d| Cell::optional((d.drifted_total > 0).then_some(d.drifted_total))),
    Column::wide("LAST-DRIFT", |d| Cell::Age(d.last_drift_at)),
    Column::usual("CAUSE", |d| Cell::optional(d.cause.as_ref())),
];

/// Of a binding that draws other paths in each cluster.
pub(super) const DRAWN: &[Column<Delivery>] =
    &[Column::usual("CLUSTER", |d| Cell::text(&d.cluster)), Column::usual("DRAWS", |d| Cell::text(&paths(&d.versions)))];

fn paths(items: &[ItemVersion]) -> String {
    shortened(items, |item| format!("{}/{}/{}", item.source, item.mount, item.path))
}

/// The version of each secret that a cluster has, and the one it should have where that is another: as in `v3, v1 (v2 wanted)`.
pub(crate) fn versions(items: &[ItemVersion]) -> String {
    shortened(items, version)
}

fn shortened(items: &[ItemVersion], one: impl Fn(&ItemVersion) -> String) -> String {
    let mut texts: Vec<String> = items.iter().take(VERSIONS_SHOWN).map(one).collect();
    if let Some(more) = items.len().checked_sub(VERSIONS_SHOWN + 1) {
        texts.push(format!("… and {} more", more + 1));
    }
    texts.join(", ")
}

fn version(item: &ItemVersion) -> String {
    let name = |number: Option<u64>| number.map_or_else(|| NOTHING.to_owned(), |number| format!("v{number}"));
    match (item.applied, item.desired) {
        (applied, desired) if applied == desired => name(applied),
        (applied, None) => format!("{} (none wanted)", name(applied)),
        (applied, desired) => format!("{} ({} wanted)", name(applied), name(desired)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_tells_what_there_is_and_what_is_wanted_instead() {
        let item = |(applied, desired)| ItemVersion {
            source: "corp".to_owned(),
            mount: "kv".to_owned(),
            path: "a".to_owned(),
            applied,
            desired,
        };
        let same = (Some(3), Some(3));
        for (items, want) in [
            (vec![], ""),
            (vec![same], "v3"),
            (vec![(Some(3), Some(4))], "v3 (v4 wanted)"),
            (vec![(None, Some(4))], "- (v4 wanted)"),
            (vec![(Some(3), None)], "v3 (none wanted)"),
            (vec![(None, None)], "-"),
            (vec![same, (Some(1), Some(2))], "v3, v1 (v2 wanted)"),
            (vec![same; 4], "v3, v3, v3, … and 1 more"),
        ] {
            assert_eq!(versions(&items.into_iter().map(item).collect::<Vec<_>>()), want);
        }
    }
}
