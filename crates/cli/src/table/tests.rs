//! What the tables look like.

use serde_json::json;

use super::*;
use crate::table::cell::Cell;

fn style(colours: bool) -> Style {
    Style { now: "2026-01-02T00:00:00Z".parse().unwrap(), colours }
}

fn binding(name: &str, status: &str) -> Value {
    json!({
        "apiVersion": "lockstep.dev/v1", "kind": "Binding",
        "metadata": {"name": name, "creationTimestamp": "2026-01-01T23:50:00Z"},
        "spec": {
            "project": "payments",
            "clusters": {"matchLabels": {"env": "prod"}, "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a", "b"]}]},
            "items": [{"source": "corp", "mount": "kv", "path": "payments/db"}],
            "target": {"secret": {"name": name, "namespaces": ["payments-prod"]}},
        },
        "status": {
            "clusters": 2, "deliveries": {"InSync": 1, "Failed": 1},
            "conditions": [{"type": "InSync", "status": status, "reason": "R", "message": "1 of 2\nfailed"}],
        },
    })
}

const BINDING: Kind = Kind::Registered(Registered::Binding);

#[test]
fn columns_are_as_wide_as_their_widest_cell() {
    let items = [binding("checkout-db", "False"), binding("a", "True")];
    let text = of(BINDING, &items, Width::Usual).unwrap().render(style(false));
    let want = "\
NAME          PROJECT    CLUSTERS   IN-SYNC   DELIVERIES   TARGET               AGE
checkout-db   payments   2          False     1/2          secret/checkout-db   10m
a             payments   2          True      1/2          secret/a             10m
";
    assert_eq!(text, want);
}

#[test]
fn wide_shows_more_and_no_cell_breaks_its_line() {
    let text = of(BINDING, &[binding("a", "False")], Width::All).unwrap().render(style(false));
    let row = text.lines().nth(1).unwrap();
    assert!(row.ends_with("corp/kv/payments/db   env=prod,tier notin (a,b)   1 of 2 failed"), "{text}");
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn colours_do_not_move_columns() {
    let items = [binding("a", "True"), binding("b", "Unknown")];
    let table = of(BINDING, &items, Width::Usual).unwrap();
    let coloured = table.render(style(true));
    assert!(coloured.contains("\x1b["), "{coloured:?}");
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, table.render(style(false)));
}

#[test]
fn rows_without_titles_keep_the_widths_of_the_whole_table() {
    let items = [binding("checkout-db", "False"), binding("a", "True")];
    let table = of(BINDING, &items, Width::Usual).unwrap();
    let rows = table.render_rows(&table.rows[1..], style(false));
    assert_eq!(rows, format!("{}\n", table.render(style(false)).lines().nth(2).unwrap()));
}

#[test]
fn text_from_the_server_cannot_move_the_cursor() {
    assert_eq!(Cell::text("a\x1b[2Jb\n"), Cell::Text("a [2Jb ".to_owned()));
}

#[test]
fn a_thing_without_status_still_has_a_row() {
    for (kind, spec) in [
        (Registered::Project, json!({})),
        (Registered::Cluster, json!({})),
        (Registered::Source, json!({"addresses": ["https://v"], "credentials": "c"})),
        (Registered::Grant, json!({"project": "p", "paths": [], "clusters": {}})),
        (Registered::RoleAssignment, json!({"role": "viewer", "scope": {"everything": true}, "subjects": []})),
        (Registered::Rotation, json!({"project": "p", "schedule": "@daily"})),
        (Registered::MaintenanceWindow, json!({"allow": {"schedule": "@daily", "duration": "2h"}})),
    ] {
        let item = json!({"apiVersion": "lockstep.dev/v1", "kind": kind.title(), "metadata": {"name": "x"}, "spec": spec});
        let table = of(Kind::Registered(kind), &[item], Width::All).unwrap();
        assert_eq!(table.rows[0][0], Cell::Text("x".to_owned()), "{kind:?}");
    }
}

#[test]
fn a_window_is_shown_with_whom_it_is_for_and_when_it_changes() {
    let item = json!({
        "apiVersion": "lockstep.dev/v1", "kind": "MaintenanceWindow", "metadata": {"name": "night"},
        "spec": {"clusters": {"matchLabels": {"env": "prod"}}, "allow": {"schedule": "0 2 * * SAT", "timeZone": "Europe/Berlin", "duration": "2h"}},
        "status": {"state": "Closed", "nextChange": "2020-01-01T00:00:00Z"},
    });
    let table = of(Kind::Registered(Registered::MaintenanceWindow), &[item], Width::Usual).unwrap();
    let text = table.render(style(false));
    for cell in ["night", "clusters/env=prod", "allow 2h from 0 2 * * SAT Europe/Berlin", "Closed", "over"] {
        assert!(text.contains(cell), "{cell} is not in\n{text}");
    }
}

#[test]
fn an_answer_of_another_shape_is_an_error_and_no_panic() {
    let message = of(Kind::Secret, &[json!({"source": 1})], Width::Usual).unwrap_err().to_string();
    assert!(message.contains("newer server"), "{message}");
}
