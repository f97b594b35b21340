//! Looking again and again, and telling what has changed.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use serde_json::Value;

use crate::format::{ListFormat, json, yaml};
use crate::item;
use crate::kind::Kind;
use crate::rest::failure::Failure;
use crate::table::cell::Cell;
use crate::table::{self, Style, Width};
use crate::terminal;

/// Often enough for a person, seldom enough for the server.
const PERIOD: Duration = Duration::from_secs(1);

/// Waits a period, then asks; while the server cannot be reached, says so once and asks on.
pub(super) async fn again<T, F: Future<Output = anyhow::Result<T>>>(ask: impl Fn() -> F) -> anyhow::Result<T> {
    let mut told = false;
    loop {
        tokio::time::sleep(PERIOD).await;
        match ask().await {
            Err(error) if error.downcast_ref::<Failure>().is_some_and(Failure::is_temporary) => {
                if !std::mem::replace(&mut told, true) {
                    terminal::note(&format!("{error:#}; trying on"));
                }
            }
            other => return other,
        }
    }
}

/// What was last seen of each item.
pub(super) struct Rows {
    kind: Kind,
    seen: BTreeMap<String, Seen>,
}

/// Ages and times do not count, or an agent's every heartbeat would be a change.
#[derive(PartialEq)]
struct Seen {
    cells: Vec<Cell>,
    resource_version: Option<String>,
}

impl Rows {
    pub(super) fn new(kind: Kind, items: &[Value]) -> anyhow::Result<Self> {
        Ok(Self { kind, seen: look(kind, items)? })
    }

    /// The items that are new or changed since the last call, and those that are gone, as text.
    pub(super) fn changed(&mut self, items: &[Value], format: ListFormat) -> anyhow::Result<String> {
        let now = look(self.kind, items)?;
        let is_new = |name: &str| now.get(name) != self.seen.get(name);
        let name = |index: usize| item::name(self.kind, &items[index]);
        let changed: Vec<usize> = (0..items.len()).filter(|index| is_new(&name(*index))).collect();
        let gone: Vec<_> = self.seen.keys().filter(|name| !now.contains_key(*name)).cloned().collect();
        let singular = self.kind.singular();
        let mut text = match format {
            ListFormat::Name => terminal::lines(changed.iter().map(|i| format!("{singular}/{}", name(*i)))),
            ListFormat::Json => changed.iter().map(|i| json(&items[*i])).collect::<anyhow::Result<String>>()?,
            ListFormat::Yaml => {
                changed.iter().map(|i| Ok(format!("---\n{}", yaml(&items[*i])?))).collect::<anyhow::Result<String>>()?
            }
            ListFormat::Table | ListFormat::Wide if changed.is_empty() => String::new(),
            ListFormat::Table | ListFormat::Wide => {
                let width = if format == ListFormat::Wide { Width::All } else { Width::Usual };
                let table = table::of(self.kind, items, width)?;
                let rows: Vec<_> = changed.iter().map(|i| table.rows[*i].clone()).collect();
                table.render_rows(&rows, Style::of_stdout())
            }
        };
        if matches!(format, ListFormat::Table | ListFormat::Wide) {
            text.push_str(&terminal::lines(gone.iter().map(|name| format!("{singular}/{name} is gone"))));
        }
        self.seen = now;
        Ok(text)
    }
}

fn look(kind: Kind, items: &[Value]) -> anyhow::Result<BTreeMap<String, Seen>> {
    let table = table::of(kind, items, Width::All)?;
    let seen = |(cells, item): (Vec<Cell>, &Value)| {
        let resource_version = item.pointer("/metadata/resourceVersion").and_then(Value::as_str).map(ToOwned::to_owned);
        (item::name(kind, item), Seen { cells, resource_version })
    };
    Ok(table.rows.into_iter().zip(items).map(seen).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn delivery(cluster: &str, status: &str, second: u32) -> Value {
        json!({
            "cluster": cluster, "binding": "b", "project": "p", "status": status, "desiredRevision": "1.2",
            "appliedRevision": "1.2", "appliedAt": format!("2026-01-01T00:00:{second:02}Z"),
            "targetsApplied": 1, "targetsTotal": 1,
        })
    }

    #[test]
    fn only_rows_that_changed_are_printed_and_a_new_time_is_no_change() {
        let mut rows = Rows::new(Kind::Delivery, &[delivery("a", "InSync", 1), delivery("b", "Pending", 1)]).unwrap();
        let text = rows.changed(&[delivery("a", "InSync", 2), delivery("b", "InSync", 1)], ListFormat::Name).unwrap();
        assert_eq!(text, "delivery/b/b\n");
        let text = rows.changed(&[delivery("b", "InSync", 1), delivery("c", "Held", 1)], ListFormat::Table).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.len() == 2 && lines[0].starts_with('c') && lines[1] == "delivery/a/b is gone", "{text}");
        assert_eq!(rows.changed(&[delivery("b", "InSync", 9), delivery("c", "Held", 1)], ListFormat::Json).unwrap(), "");
    }
}
