//! The columns of those that have a secret.

use lockstep_api::holder::Holder;

use super::cell::{Cell, NOTHING};
use super::column::Column;

pub(super) const COLUMNS: &[Column<Holder>] = &[
    Column::usual("CLUSTER", |h| Cell::text(&h.cluster)),
    Column::usual("BINDING", |h| Cell::text(&h.binding)),
    Column::usual("VERSION", |h| Cell::text(&version(h))),
    Column::usual("STATUS", |h| Cell::word(&h.status)),
    Column::usual("CONFIRMED", |h| Cell::Age(h.confirmed_at)),
    Column::usual("WORKLOADS", |h| Cell::text(&h.workloads)),
    Column::wide("PROJECT", |h| Cell::text(&h.project)),
    Column::wide("RESTART-OF", |h| Cell::optional(h.restart.as_ref().map(|r| r.revision.as_str()))),
    Column::wide("STUCK", |h| Cell::optional(h.restart.as_ref().map(|r| r.stuck.join("; ")))),
    Column::wide("LEFT-ALONE", |h| Cell::optional(h.restart.as_ref().map(|r| r.skipped.join("; ")))),
    Column::usual("CAUSE", |h| Cell::optional(h.cause.as_ref())),
];

fn version(holder: &Holder) -> String {
    let has = holder.version.map_or_else(|| NOTHING.to_owned(), |number| format!("v{number}"));
    match (holder.former_life, holder.desired) {
        (true, _) => format!("{has} (of a former life)"),
        (false, desired) if desired == holder.version || holder.status == "Leaving" => has,
        (false, None) => format!("{has} (none wanted)"),
        (false, Some(desired)) => format!("{has} (v{desired} wanted)"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn holder(more: &Value) -> Holder {
        let mut item = json!({"cluster": "c", "binding": "b", "project": "p", "status": "InSync", "workloads": ""});
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(item).unwrap()
    }

    #[test]
    fn a_version_is_told_with_what_is_wanted_instead_and_whether_it_is_of_this_life() {
        for (more, want) in [
            (json!({"version": 3, "desired": 3}), "v3"),
            (json!({"version": 3, "desired": 4}), "v3 (v4 wanted)"),
            (json!({"desired": 4}), "- (v4 wanted)"),
            (json!({"version": 3}), "v3 (none wanted)"),
            (json!({"version": 3, "status": "Leaving"}), "v3"),
            (json!({"version": 9, "desired": 1, "formerLife": true}), "v9 (of a former life)"),
        ] {
            assert_eq!(version(&holder(&more)), want);
        }
    }
}
