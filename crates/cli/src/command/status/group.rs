//! Deliveries that are not in sync, put together where the same is to be said of them.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_api::delivery::Delivery;

use crate::table::cell::Cell;
use crate::table::{self, Style, Table};

/// Groups drawn; what is in the others is counted.
const SHOWN: usize = 20;
/// Names told of several.
const NAMES: usize = 3;
const INDENT: &str = "  ";

/// Bindings that stand alike, for the same cause, in the same clusters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    status: String,
    cause: Option<String>,
    bindings: BTreeSet<String>,
    clusters: BTreeSet<String>,
    versions: BTreeSet<String>,
}

impl Group {
    /// First what one binding has in several clusters, then which of those are the same for several bindings: a cause in one binding is
    /// seen as one, and so is a paused cluster. In the order of `deliveries`.
    pub(super) fn of(deliveries: &[Delivery]) -> Vec<Self> {
        let mut of_binding: Vec<Self> = Vec::new();
        let mut places: BTreeMap<(&str, &str, Option<&str>), usize> = BTreeMap::new();
        for delivery in deliveries {
            let key = (delivery.binding.as_str(), delivery.status.as_str(), delivery.cause.as_deref());
            let place = *places.entry(key).or_insert_with(|| {
                of_binding.push(Self {
                    status: delivery.status.clone(),
                    cause: delivery.cause.clone(),
                    bindings: BTreeSet::from([delivery.binding.clone()]),
                    clusters: BTreeSet::new(),
                    versions: BTreeSet::new(),
                });
                of_binding.len() - 1
            });
            of_binding[place].clusters.insert(delivery.cluster.clone());
            of_binding[place].versions.insert(table::versions(&delivery.versions));
        }
        let mut groups: Vec<Self> = Vec::new();
        for group in of_binding {
            let alike = |g: &&mut Self| (&g.status, &g.cause, &g.clusters) == (&group.status, &group.cause, &group.clusters);
            match groups.iter_mut().find(alike) {
                Some(known) => {
                    known.bindings.extend(group.bindings);
                    known.versions.extend(group.versions);
                }
                None => groups.push(group),
            }
        }
        groups
    }

    /// Its first binding, for an example.
    pub(super) fn binding(&self) -> &str {
        self.bindings.first().map_or("", String::as_str)
    }

    fn deliveries(&self) -> u64 {
        self.bindings.len() as u64 * self.clusters.len() as u64
    }
}

/// As lines, each group's cause below it, and how many deliveries there was no room for. `width` is the terminal's.
pub(super) fn render(groups: &[Group], style: Style, width: Option<usize>) -> (String, u64) {
    let shown = &groups[..groups.len().min(SHOWN)];
    let mut table = Table::new(vec!["STATUS", "BINDING", "CLUSTER", "VERSION"]);
    for group in shown {
        let (bindings, clusters) = (counted(&group.bindings, "bindings"), counted(&group.clusters, "clusters"));
        let version = match (group.versions.len(), group.versions.first()) {
            (1, Some(version)) => version.as_str(),
            _ => "several",
        };
        table.rows.push(vec![Cell::word(&group.status), Cell::text(&bindings), Cell::text(&clusters), Cell::text(version)]);
    }
    let drawn = table.render(style);
    let mut lines = drawn.lines();
    let mut text: Vec<String> = lines.next().map(ToOwned::to_owned).into_iter().collect();
    for (line, group) in lines.zip(shown) {
        text.push(line.to_owned());
        let cause = Cell::optional(group.cause.as_ref());
        if let (Some(_), Cell::Text(cause)) = (&group.cause, cause) {
            text.extend(wrapped(&cause, width));
        }
    }
    let hidden = groups[shown.len()..].iter().map(Group::deliveries).sum();
    (text.join("\n") + "\n", hidden)
}

/// One by its name, several by how many and the first few names.
fn counted(names: &BTreeSet<String>, plural: &str) -> String {
    if let (1, Some(name)) = (names.len(), names.first()) {
        return name.clone();
    }
    let first: Vec<&str> = names.iter().take(NAMES).map(String::as_str).collect();
    let more = if names.len() > NAMES { ", …" } else { "" };
    format!("{} {plural}: {}{more}", names.len(), first.join(", "))
}

/// Indented, and broken between words where a terminal would break them anywhere.
fn wrapped(text: &str, width: Option<usize>) -> Vec<String> {
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(INDENT.len()).max(20));
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().filter(|line| line.is_empty() || line.chars().count() + 1 + word.chars().count() <= room);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines.into_iter().map(|line| format!("{INDENT}{line}")).collect()
}

#[cfg(test)]
mod tests {
    use lockstep_api::delivery::ItemVersion;

    use super::*;

    fn version(applied: u64) -> ItemVersion {
        let [source, mount, path] = ["corp", "kv", "a"].map(ToOwned::to_owned);
        ItemVersion { source, mount, path, applied: Some(applied), desired: Some(4) }
    }

    fn delivery(cluster: &str, binding: &str, status: &str, cause: &str) -> Delivery {
        Delivery {
            cluster: cluster.to_owned(),
            binding: binding.to_owned(),
            project: "p".to_owned(),
            status: status.to_owned(),
            cause: Some(cause.to_owned()).filter(|c| !c.is_empty()),
            desired_revision: "1.2".to_owned(),
            applied_revision: None,
            applied_at: None,
            targets_applied: 0,
            targets_total: 1,
            versions: vec![version(3)],
            observed: None,
            restart: None,
            drifted_total: 0,
            last_drift_at: None,
        }
    }

    #[test]
    fn one_cause_is_told_once_however_many_clusters_or_bindings_have_it() {
        let mut deliveries: Vec<_> = ["a", "b", "c", "d", "e"].map(|c| delivery(c, "db", "Failed", "no such path")).to_vec();
        deliveries.extend(["cart", "mail"].map(|binding| delivery("f", binding, "Paused", "the cluster is paused, so it waits")));
        deliveries.push(delivery("g", "cart", "Pending", ""));
        deliveries[1].versions = vec![version(2)];
        let groups = Group::of(&deliveries);
        assert_eq!(groups[0].binding(), "db");
        let style = Style { now: "2026-01-01T00:01:00Z".parse().unwrap(), colours: false };
        let want = "\
STATUS    BINDING                  CLUSTER                  VERSION
Failed    db                       5 clusters: a, b, c, …   several
  no such path
Paused    2 bindings: cart, mail   f                        v3 (v4 wanted)
  the cluster is
  paused, so it waits
Pending   cart                     g                        v3 (v4 wanted)
";
        assert_eq!(render(&groups, style, Some(22)), (want.to_owned(), 0));
    }

    #[test]
    fn groups_without_room_are_counted() {
        let deliveries: Vec<_> = (0..23).map(|n| delivery("c", &format!("b{n}"), "Failed", &format!("cause {n}"))).collect();
        let style = Style { now: "2026-01-01T00:01:00Z".parse().unwrap(), colours: false };
        let (text, hidden) = render(&Group::of(&deliveries), style, None);
        assert_eq!((text.lines().count(), hidden), (41, 3));
    }
}
