//! What an import came to: manifests for programs, a table for people.

use serde_json::{Value, json};

use super::outcome::{Outcome, Verdict, printable};
use crate::table::cell::Cell;
use crate::table::{Style, Table};
use crate::terminal;

/// The bindings, a document each, with what they come from.
pub(crate) fn manifests(outcomes: &[Outcome]) -> anyhow::Result<String> {
    let written = outcomes.iter().flat_map(|outcome| outcome.made.iter().filter_map(|made| made.written(outcome)));
    Ok(written.collect::<anyhow::Result<Vec<_>>>()?.join("---\n"))
}

/// What became of each object, and of each field that is not simply in a binding.
pub(crate) fn table(outcomes: &[Outcome], style: Style) -> String {
    let mut table = Table::new(vec!["OBJECT", "RESULT", "BINDING"]);
    for outcome in outcomes {
        let bindings = if outcome.bindings.is_empty() { None } else { Some(outcome.bindings.join(",")) };
        table.rows.push(vec![Cell::text(&outcome.title()), Cell::text(outcome.verdict.as_str()), Cell::optional(bindings)]);
    }
    let details: Vec<String> = outcomes.iter().filter_map(details).collect();
    [table.render(style), details.concat(), format!("\n{}\n", count(outcomes))].concat()
}

fn details(outcome: &Outcome) -> Option<String> {
    let why = outcome.why.iter().map(|why| format!("  {}: {why}", outcome.verdict.as_str()));
    let left = outcome.lines.left_out.iter().map(|line| format!("  left out: {}: {}", line.field, line.why));
    let not_needed = outcome.lines.not_needed.iter().map(|line| format!("  not needed: {}: {}", line.field, line.why));
    let next = outcome.next().map(|next| format!("  next: {next}"));
    let lines: Vec<String> = why.chain(left).chain(not_needed).chain(next).map(|line| printable(&line)).collect();
    (!lines.is_empty()).then(|| format!("\n{} ({})\n{}", outcome.title(), printable(&outcome.place), terminal::lines(lines)))
}

/// The last word.
fn count(outcomes: &[Outcome]) -> String {
    let of = |verdict: Verdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
    let (whole, part, none) = (of(Verdict::Mapped), of(Verdict::InPart), of(Verdict::NotMapped));
    format!("{whole} mapped, {part} mapped in part, {none} not mapped")
}

/// The same as data.
pub(crate) fn data(outcomes: &[Outcome]) -> Value {
    let items = outcomes.iter().map(|outcome| {
        json!({
            "kind": outcome.kind, "namespace": outcome.namespace, "name": outcome.name, "place": outcome.place,
            "result": outcome.verdict, "why": outcome.why, "bindings": outcome.bindings,
            "leftOut": outcome.lines.left_out, "notNeeded": outcome.lines.not_needed, "next": outcome.next(),
        })
    });
    json!({ "items": items.collect::<Vec<_>>() })
}
