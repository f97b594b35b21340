//! The status as tables.

use std::fmt::Write as _;

use anyhow::Context;
use lockstep_api::binding::Binding;
use lockstep_api::cluster::{Cluster, ClusterStatus};
use lockstep_api::delivery::Delivery;
use lockstep_core::delivery::DeliveryStatus;
use serde::Deserialize;
use serde_json::Value;

use super::super::pinned;
use super::group::{self, Group};
use super::overview::Overview;
use crate::table::cell::Cell;
use crate::table::{self, Style, Table};

/// What is drawn.
#[derive(Debug, PartialEq)]
pub(super) struct Picture {
    /// Why nothing is sent to any cluster.
    held: Option<String>,
    clusters: Table,
    /// What is not in sync, and why.
    wrong: Vec<Group>,
    /// How many more of those there are.
    hidden: u64,
    /// Bindings that select no cluster, and what they select by.
    unmatched: Table,
    /// What is pinned, a line for each secret.
    pinned: Vec<String>,
}

/// Draws `overview`.
pub(super) fn draw(overview: &Overview) -> anyhow::Result<Picture> {
    Ok(Picture {
        held: overview.epoch.held.clone(),
        clusters: clusters(overview)?,
        wrong: Group::of(&deliveries(overview)?),
        hidden: overview.hidden(),
        unmatched: unmatched(overview)?,
        pinned: overview.pinned.iter().flat_map(pinned).collect(),
    })
}

fn deliveries(overview: &Overview) -> anyhow::Result<Vec<Delivery>> {
    overview.deliveries.iter().map(|d| Delivery::deserialize(d).context("reading a delivery")).collect()
}

fn unmatched(overview: &Overview) -> anyhow::Result<Table> {
    let mut table = Table::new(vec!["BINDING", "WANTS-CLUSTERS-WITH"]);
    for binding in &overview.unmatched {
        let binding = Binding::deserialize(binding).context("reading a binding")?;
        let selector = table::selector(&binding.spec.clusters);
        table.rows.push(vec![Cell::text(&binding.metadata.name), Cell::text(&selector)]);
    }
    Ok(table)
}

fn pinned(binding: &Value) -> Vec<String> {
    let name = binding.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    pinned::lines(binding).iter().map(|line| format!("binding {name}: {line}")).collect()
}

/// A row for each cluster, a column for each status that any of them counts.
fn clusters(overview: &Overview) -> anyhow::Result<Table> {
    let counted = |s: &DeliveryStatus| *s == DeliveryStatus::InSync || overview.counts.get(s.as_str()).is_some_and(|n| *n > 0);
    let statuses: Vec<_> = DeliveryStatus::ALL.into_iter().filter(counted).collect();
    let mut titles = vec!["CLUSTER", "STATE", "AGENT", "HEARD"];
    titles.extend(statuses.iter().map(|status| title(*status)));
    // A column that is empty almost always would only make the table wide.
    let held = |cluster: &Value| {
        let deletions = cluster.pointer("/status/deletionsHeld").and_then(Value::as_u64).unwrap_or_default();
        deletions > 0 || cluster.pointer("/status/held").is_some_and(|held| !held.is_null())
    };
    let has_held = overview.clusters.iter().any(held);
    titles.extend(has_held.then_some("HELD-BECAUSE"));
    let mut table = Table::new(titles);
    for cluster in &overview.clusters {
        table.rows.push(row(cluster, &statuses, has_held)?);
    }
    Ok(table)
}

fn row(cluster: &Value, statuses: &[DeliveryStatus], has_held: bool) -> anyhow::Result<Vec<Cell>> {
    let cluster = Cluster::deserialize(cluster).context("reading a cluster")?;
    let status = cluster.status.as_ref();
    let agent = status.and_then(|s| s.agent.as_ref());
    let mut cells = vec![
        Cell::text(&cluster.metadata.name),
        Cell::word(status.map_or("", |s| s.state.as_str())),
        Cell::word(agent.map_or("", |_| "Connected")),
        Cell::Age(agent.map(|a| a.heard_at)),
    ];
    let count = |s: &DeliveryStatus| status.and_then(|c| c.deliveries.get(s.as_str())).copied().unwrap_or_default();
    cells.extend(statuses.iter().map(|s| Cell::text(&count(s))));
    cells.extend(has_held.then(|| Cell::optional(status.and_then(|s| held(&cluster.metadata.name, s)))));
    Ok(cells)
}

/// Why nothing is sent to it, or else what of that is not sent.
fn held(name: &str, status: &ClusterStatus) -> Option<String> {
    let deletions = match status.deletions_held {
        0 => None,
        1 => Some(format!("1 deletion: lockstep confirm {name}")),
        n => Some(format!("{n} deletions: lockstep confirm {name}")),
    };
    status.held.clone().or(deletions)
}

const fn title(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Pending => "PENDING",
        DeliveryStatus::Sending => "SENDING",
        DeliveryStatus::InSync => "IN-SYNC",
        DeliveryStatus::Denied => "DENIED",
        DeliveryStatus::Conflict => "CONFLICT",
        DeliveryStatus::Failed => "FAILED",
        DeliveryStatus::Held => "HELD",
        DeliveryStatus::Stale => "STALE",
        DeliveryStatus::Paused => "PAUSED",
    }
}

impl Picture {
    /// As text, with what to do next.
    pub(super) fn render(&self, style: Style, width: Option<usize>) -> String {
        let mut text = String::new();
        if let Some(held) = &self.held {
            let _ = writeln!(text, "HELD: nothing is sent to any cluster: {held}");
            let _ = writeln!(text, "      if the bindings are right: lockstep epoch open --reason TEXT\n");
        }
        if self.clusters.rows.is_empty() {
            text.push_str("No clusters yet: lockstep cluster register NAME\n");
            return text;
        }
        text.push_str(&self.clusters.render(style));
        if !self.unmatched.rows.is_empty() {
            let _ = write!(text, "\nIn no cluster, because none has such labels:\n{}", self.unmatched.render(style));
            text.push_str("Labels are shown by: lockstep get clusters -o wide\n");
        }
        if !self.pinned.is_empty() {
            let _ = write!(text, "\nPinned, until lockstep unpin BINDING:\n{}\n", self.pinned.join("\n"));
        }
        let Some(first) = self.wrong.first() else { return text };
        let (wrong, undrawn) = group::render(&self.wrong, style, width);
        let _ = write!(text, "\nNot in sync:\n{wrong}");
        if self.hidden + undrawn > 0 {
            let _ = writeln!(text, "… and {} more: lockstep get deliveries --status STATUS", self.hidden + undrawn);
        }
        let _ = writeln!(text, "\nMore about one: lockstep describe binding {}", first.binding());
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lockstep_api::change::Epoch;
    use serde_json::json;

    use super::*;

    fn overview(heard: &str, held: Option<&str>) -> Overview {
        let cluster = json!({
            "apiVersion": "lockstep.dev/v1", "kind": "Cluster", "metadata": {"name": "prod-eu"}, "spec": {},
            "status": {
                "state": "Active", "unknownBindings": 0, "conditions": [], "deliveries": {"InSync": 3, "Failed": 1, "Held": 0},
                "agent": {"version": "0.1.0", "replica": "r", "connectedAt": heard, "heardAt": heard, "certificateExpiresAt": heard},
            },
        });
        let delivery = json!({
            "cluster": "prod-eu", "binding": "checkout-db", "project": "p", "status": "Failed", "cause": "the namespace is missing",
            "desiredRevision": "1.7", "targetsApplied": 0, "targetsTotal": 1,
        });
        Overview {
            epoch: Epoch { epoch: 1, seq: 7, held: held.map(ToOwned::to_owned), held_clusters: 0 },
            clusters: vec![cluster],
            deliveries: vec![delivery],
            unmatched: vec![json!({
                "apiVersion": "lockstep.dev/v1", "kind": "Binding", "metadata": {"name": "stray"},
                "spec": {"project": "p", "clusters": {"matchLabels": {"env": "qa"}}, "items": [], "target": {}},
            })],
            pinned: vec![json!({
                "metadata": {"name": "checkout-db"},
                "status": {"pinned": [{"secret": "corp/kv/a", "version": 3, "newest": 5}]},
            })],
            counts: BTreeMap::from([("InSync".to_owned(), 3), ("Failed".to_owned(), 4)]),
        }
    }

    #[test]
    fn clusters_are_counted_by_status_and_what_is_wrong_is_said_with_its_cause() {
        let style = Style { now: "2026-01-01T00:01:00Z".parse().unwrap(), colours: false };
        let text = draw(&overview("2026-01-01T00:00:30Z", Some("the history was cut"))).unwrap().render(style, None);
        let want = "\
HELD: nothing is sent to any cluster: the history was cut
      if the bindings are right: lockstep epoch open --reason TEXT

CLUSTER   STATE    AGENT       HEARD   IN-SYNC   FAILED
prod-eu   Active   Connected   30s     3         1

In no cluster, because none has such labels:
BINDING   WANTS-CLUSTERS-WITH
stray     env=qa
Labels are shown by: lockstep get clusters -o wide

Pinned, until lockstep unpin BINDING:
binding checkout-db: corp/kv/a is pinned to 3; 5 waits

Not in sync:
STATUS   BINDING       CLUSTER   VERSION
Failed   checkout-db   prod-eu   -
  the namespace is missing
… and 3 more: lockstep get deliveries --status STATUS

More about one: lockstep describe binding checkout-db
";
        assert_eq!(text, want);
    }

    #[test]
    fn deletions_held_back_say_how_to_confirm_them() {
        let mut overview = overview("2026-01-01T00:00:30Z", None);
        overview.clusters[0]["status"]["deletionsHeld"] = json!(3);
        let style = Style { now: "2026-01-01T00:01:00Z".parse().unwrap(), colours: false };
        let text = draw(&overview).unwrap().render(style, None);
        let row = text.lines().nth(1).unwrap();
        assert!(row.ends_with("3 deletions: lockstep confirm prod-eu"), "{text}");
    }

    #[test]
    fn a_heartbeat_is_no_change() {
        let (before, after) = (overview("2026-01-01T00:00:30Z", None), overview("2026-01-01T00:00:35Z", None));
        assert!(!before.differs(&after).unwrap());
        assert!(overview("2026-01-01T00:00:30Z", Some("x")).differs(&before).unwrap());
    }
}
