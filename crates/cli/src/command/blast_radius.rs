//! How far a write would reach, in words.

use lockstep_api::blast_radius::{BlastRadius, Counted, Reached, RestartsExpected};
use serde::Deserialize as _;
use serde_json::Value;

/// The most names in a line; the answer has a few more.
const NAMED_MAX: usize = 3;

/// What a dry run said; `None`: a server that is older says nothing of it.
pub(super) fn of(answer: &Value) -> Option<BlastRadius> {
    BlastRadius::deserialize(answer.pointer("/status/blastRadius")?).ok()
}

/// Whether anything that was delivered would be deleted, as far as is known.
pub(super) fn deletes(radius: &BlastRadius) -> bool {
    radius.delete.targets > 0 || radius.delete.at_least
}

/// As in `binding/db would write 2 new Secrets in 2 clusters (eu-1, eu-2), delete none`.
pub(super) fn words(radius: &BlastRadius) -> String {
    let BlastRadius { clusters, namespaces, create, rewrite, delete, keep, restarts } = radius;
    if clusters.count == 0 {
        return "would change nothing in any cluster".to_owned();
    }
    let mut parts = Vec::new();
    for (verb, part, kind) in
        [("write", create, "new "), ("rewrite", rewrite, ""), ("delete", delete, ""), ("stop updating and keep", keep, "")]
    {
        if part.targets > 0 || part.at_least {
            parts.push(format!("{verb} {} in {}", targets(part, kind), counted(&part.clusters, "cluster")));
        }
    }
    if !deletes(radius) {
        parts.push("delete none".to_owned());
    }
    let places = match namespaces.count {
        0 => String::new(),
        1 => format!("; namespace {}", listed(namespaces)),
        _ => format!("; namespaces {}", listed(namespaces)),
    };
    format!("would {}{places}{}", parts.join(", "), restarting(restarts))
}

fn targets(part: &Reached, kind: &str) -> String {
    let secrets = part.targets.saturating_sub(part.directories + part.mountable);
    let number = |count: u64, one: &str, several: &str| format!("{count} {kind}{}", if count == 1 { one } else { several });
    let counted: Vec<String> = [
        (secrets, "Secret", "Secrets"),
        (part.directories, "directory", "directories"),
        (part.mountable, "volume target", "volume targets"),
    ]
    .into_iter()
    .filter(|(count, _, _)| *count > 0)
    .map(|(count, one, several)| number(count, one, several))
    .collect();
    if counted.is_empty() {
        return format!("an unknown number of {kind}Secrets, where a label selects their namespaces,");
    }
    let counted = counted.join(" and ");
    if part.at_least { format!("at least {counted}") } else { counted }
}

fn counted(counted: &Counted, thing: &str) -> String {
    let number = format!("{} {thing}{}", counted.count, if counted.count == 1 { "" } else { "s" });
    if counted.names.is_empty() { number } else { format!("{number} ({})", listed(counted)) }
}

fn listed(counted: &Counted) -> String {
    let names = &counted.names[..counted.names.len().min(NAMED_MAX)];
    let more = counted.count.saturating_sub(names.len() as u64);
    match (names, more) {
        ([], more) => format!("{more} that you may not see"),
        (names, 0) => names.join(", "),
        (names, more) => format!("{} and {more} more", names.join(", ")),
    }
}

fn restarting(restarts: &RestartsExpected) -> String {
    let policies: Vec<&str> =
        [(restarts.auto, "Auto"), (restarts.selected, "Selected")].iter().filter(|(n, _)| *n > 0).map(|(_, p)| *p).collect();
    if policies.is_empty() {
        return String::new();
    }
    let workloads = match (restarts.workloads_last_reported, restarts.unreported) {
        (0, _) => "only agents know how many workloads".to_owned(),
        (1, 0) => "1 workload when last reported".to_owned(),
        (n, 0) => format!("{n} workloads when last reported"),
        (n, _) => format!("at least {n} when last reported"),
    };
    format!("; restarts by policy {} in {}: {workloads}", policies.join(" and "), counted(&restarts.clusters, "cluster"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::command) fn named(names: &[&str]) -> Counted {
        Counted { count: names.len() as u64, names: names.iter().map(|n| (*n).to_owned()).collect() }
    }

    pub(in crate::command) fn reached(targets: u64, clusters: &[&str]) -> Reached {
        Reached { targets, clusters: named(clusters), ..Reached::default() }
    }

    #[test]
    fn targets_are_counted_by_what_they_are() {
        let all = Reached { directories: 1, mountable: 2, ..reached(4, &["eu-1"]) };
        assert_eq!(targets(&all, ""), "1 Secret and 1 directory and 2 volume targets");
        assert_eq!(targets(&Reached { mountable: 1, ..reached(1, &["eu-1"]) }, "new "), "1 new volume target");
    }

    #[test]
    fn a_line_says_what_would_be_written_deleted_kept_and_restarted() {
        let eu = ["eu-1", "eu-2", "eu-3", "eu-4"];
        let radius = BlastRadius {
            clusters: Counted { count: 12, names: Vec::new() },
            namespaces: named(&["shop"]),
            create: reached(1, &eu[..1]),
            rewrite: Reached { clusters: Counted { count: 12, ..named(&eu) }, ..reached(24, &eu) },
            delete: Reached { directories: 1, ..reached(3, &eu[1..2]) },
            keep: reached(2, &eu[3..]),
            restarts: RestartsExpected {
                clusters: named(&eu[..2]),
                auto: 2,
                workloads_last_reported: 7,
                ..RestartsExpected::default()
            },
        };
        assert_eq!(
            words(&radius),
            "would write 1 new Secret in 1 cluster (eu-1), rewrite 24 Secrets in 12 clusters (eu-1, eu-2, eu-3 and 9 more), delete 2 \
             Secrets and 1 directory in 1 cluster (eu-2), stop updating and keep 2 Secrets in 1 cluster (eu-4); namespace shop; restarts by policy \
             Auto in 2 clusters (eu-1, eu-2): 7 workloads when last reported"
        );
    }

    #[test]
    fn what_is_unknown_is_said_to_be_and_nothing_is_said_plainly() {
        let mut radius = BlastRadius { clusters: named(&["eu-1"]), rewrite: reached(1, &["eu-1"]), ..BlastRadius::default() };
        assert_eq!(words(&radius), "would rewrite 1 Secret in 1 cluster (eu-1), delete none");
        radius.restarts = RestartsExpected { clusters: named(&["eu-1"]), auto: 1, unreported: 1, ..RestartsExpected::default() };
        assert!(words(&radius).ends_with("restarts by policy Auto in 1 cluster (eu-1): only agents know how many workloads"));
        radius.delete = Reached { at_least: true, ..reached(0, &["eu-1"]) };
        assert!(deletes(&radius));
        assert!(
            words(&radius).contains("delete an unknown number of Secrets, where a label selects their namespaces, in 1 cluster")
        );
        radius.create = Reached { at_least: true, ..reached(2, &["eu-1"]) };
        assert!(words(&radius).contains("write at least 2 new Secrets in 1 cluster"));
        assert_eq!(words(&BlastRadius::default()), "would change nothing in any cluster");
        let unseen = Counted { count: 2, names: Vec::new() };
        assert_eq!(listed(&unseen), "2 that you may not see");
    }

    #[test]
    fn an_older_server_says_nothing() {
        assert_eq!(of(&serde_json::json!({"status": {"clusters": 2}})), None);
        let answer = serde_json::json!({"status": {"blastRadius": BlastRadius::default()}});
        assert_eq!(of(&answer), Some(BlastRadius::default()));
    }
}
