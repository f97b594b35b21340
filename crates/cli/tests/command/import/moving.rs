//! The tables of `docs/moving.md` are what the command says of the fixtures.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::run::Place;

const PAGE: &str = "../../docs/moving.md";
const TOOLS: [&str; 3] = ["eso", "vso", "csi"];

/// What becomes of a tool's fixtures. Cargo runs tests in their package's folder.
fn items(tool: &str) -> Vec<Value> {
    let folder = std::fs::canonicalize(Path::new("tests/fixtures/import").join(tool)).unwrap();
    let done = Place::new().run(&format!("import {tool} -f {} --project shop --source corp --report json", folder.display()));
    assert_eq!(done.code, 2, "{done:?}");
    let report: Value = serde_json::from_str(&done.stderr).unwrap();
    report["items"].as_array().unwrap().clone()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// One row for each object: what became of it, and what of it did not.
fn table(tool: &str) -> String {
    let mut table = "| object | becomes | what does not, and why |\n|---|---|---|\n".to_owned();
    let mut counts = [0, 0, 0];
    for item in items(tool) {
        let result = match text(&item, "result") {
            "mapped" => (counts[0] += 1, "a binding").1,
            "inPart" => (counts[1] += 1, "a binding, in part").1,
            "notMapped" => (counts[2] += 1, "**nothing**").1,
            _ if tool == "csi" => "leave to mount, for its service account",
            _ => "a source, which an administrator registers",
        };
        let left = item["leftOut"].as_array().unwrap().iter();
        let left: Vec<String> = left.map(|line| format!("`{}`: {}", text(line, "field"), text(line, "why"))).collect();
        let why = if text(&item, "result") == "notMapped" { text(&item, "why") } else { "" };
        let cell = [why.to_owned(), left.join("<br>")].concat().replace('|', "\\|");
        writeln!(table, "| {} `{}` | {result} | {cell} |", text(&item, "kind"), text(&item, "name")).unwrap();
    }
    let [whole, part, none] = counts;
    writeln!(table, "\n{whole} mapped, {part} in part, {none} not.").unwrap();
    table
}

#[test]
fn the_page_on_moving_has_the_tables_that_the_command_makes_of_the_fixtures() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let mut new = page.clone();
    for tool in TOOLS {
        let table = table(tool);
        println!("{tool}\n{table}");
        let (begin, end) = (format!("<!-- {tool} -->\n"), format!("<!-- /{tool} -->\n"));
        let (before, rest) = new.split_once(&begin).unwrap();
        let (_, after) = rest.split_once(&end).unwrap();
        new = format!("{before}{begin}{table}{end}{after}");
    }
    if std::env::var_os("LOCKSTEP_BLESS").is_some() {
        std::fs::write(PAGE, new).unwrap();
        return;
    }
    assert!(new == page, "docs/moving.md is out of date: LOCKSTEP_BLESS=1 cargo test -p lockstep-cli --test command moving");
}
