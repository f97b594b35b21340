//! The words of the glossary, and no others.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use lockstep_core::delivery::DeliveryStatus;
use serde_json::Value;

use crate::repository::{File, files, none};

/// What is not said, and the glossary's word for it. Compared without case and without `_` and `-`, so identifiers count too.
const NOT_SAID: [(&str, &str); 33] = [
    ("tenant", "project"),
    ("workspace id", "project"),
    ("secret store", "source, or sink"),
    ("vault server", "source"),
    ("vault instance", "source"),
    ("vault cluster", "source: a cluster is a Kubernetes cluster"),
    ("secret source", "source"),
    ("sync job", "delivery"),
    ("sync status", "delivery status"),
    ("sync state", "delivery status"),
    ("sync rule", "binding"),
    ("secret sync", "delivery, or binding"),
    ("secret binding", "binding"),
    ("out of sync", "not in step"),
    ("target cluster", "cluster"),
    ("worker cluster", "cluster"),
    ("member cluster", "cluster"),
    ("managed cluster", "cluster"),
    ("remote cluster", "cluster"),
    ("downstream cluster", "cluster"),
    ("edge cluster", "cluster"),
    ("spoke cluster", "cluster"),
    ("satellite", "agent"),
    ("cluster agent", "agent"),
    ("secret version", "version"),
    ("desired version", "revision"),
    ("secret value in", "material in"),
    ("allow list", "grant"),
    ("access policy", "grant"),
    ("leader election", "lease"),
    ("rotation job", "rotation"),
    ("change feed", "feed"),
    ("poller", "feed"),
];

/// What is about other tools calls their kinds by their names.
const KINDS_OF_OTHERS: [&str; 2] = ["SecretStore", "secretStore"];
const ABOUT_OTHERS: [&str; 5] = [
    "crates/cli/src/import",
    "crates/cli/src/command/import.rs",
    "crates/cli/tests/command/import",
    "crates/cli/tests/fixtures/import/",
    "docs/moving.md",
];

/// Words that are no delivery status, though other tools have them.
const NO_STATUS: [&str; 10] =
    ["Synced", "OutOfSync", "Syncing", "SyncError", "Unknown", "InProgress", "Succeeded", "Drifted", "Blocked", "Degraded"];

/// The one board whose name people know from other tools, as the issue that asked for it says it.
const BOARD: &str = "Sync status";

/// What people read or write: our crates, documents, the schema, the protocol; not the tests of this rule.
fn ours() -> Result<Vec<File>> {
    let is_ours = |path: &str| {
        ["crates/", "docs/", "deploy/", "dashboards/", "migrations/", "README.md"].iter().any(|start| path.starts_with(start))
            && !path.starts_with("crates/testbed/tools/")
    };
    Ok(files()?.into_iter().filter(|file| is_ours(&file.path)).collect())
}

/// In small letters, with one space between words, whichever way they are joined. Camel case is taken apart.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len() + 8);
    let mut was_small = false;
    for c in line.chars() {
        if c.is_uppercase() && was_small {
            plain.push(' ');
        }
        was_small = c.is_lowercase() || c.is_ascii_digit();
        plain.extend(if "_-".contains(c) { ' ' } else { c }.to_lowercase());
    }
    plain
}

/// Whether `plain` has these words as words, also in the plural.
fn says(plain: &str, words: &str) -> bool {
    plain.match_indices(words).any(|(at, _)| {
        let after = plain[at + words.len()..].strip_prefix('s').unwrap_or(&plain[at + words.len()..]);
        !plain[..at].ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    })
}

#[test]
fn nothing_is_called_other_than_the_glossary_calls_it() -> Result<()> {
    let mut found = Vec::new();
    for file in ours()? {
        let is_about_others = ABOUT_OTHERS.iter().any(|start| file.path.starts_with(start));
        for (number, line) in file.lines() {
            let others: &[&str] = if is_about_others { &KINDS_OF_OTHERS } else { &[] };
            let line = others.iter().fold(line.replace(BOARD, ""), |line, kind| line.replace(kind, "Store"));
            let plain = plain(&line);
            for (words, instead) in NOT_SAID.iter().filter(|(words, _)| says(&plain, words)) {
                found.push(format!("{}:{number}: \"{words}\": say {instead}", file.path));
            }
        }
    }
    none(&found, "use the glossary's words")
}

#[test]
fn words_are_found_in_whatever_way_they_are_joined() {
    for line in ["TargetCluster", "target_clusters", "the target-cluster:", "targetCluster.name"] {
        assert!(says(&plain(line), "target cluster"), "{line}");
    }
    assert!(!says(&plain("a target, clusters"), "target cluster") && !says(&plain("bespoke clusters"), "spoke cluster"));
}

#[test]
fn the_schema_has_the_delivery_statuses_of_the_closed_set_and_no_others() -> Result<()> {
    let files = files()?;
    let closed: BTreeSet<&str> = DeliveryStatus::ALL.iter().map(|status| status.as_str()).collect();
    let mut shown = BTreeSet::new();
    for file in files.iter().filter(|file| file.path.starts_with("migrations/") && file.is("sql")) {
        // Each verdict of the view is `array['Status', 'cause']`, some with a choice of two.
        let verdicts = file.text.split("array[").skip(1).filter_map(|rest| rest.split(',').next());
        shown.extend(verdicts.flat_map(|verdict| verdict.split('\'').skip(1).step_by(2)));
    }
    // The outcomes that are statuses too are passed on as they are.
    let passed_on = ["Conflict", "Failed", "Denied"];
    shown.extend(passed_on);
    ensure!(shown == closed, "the view has {shown:?}, the closed set is {closed:?}");
    Ok(())
}

#[test]
fn the_api_tells_the_closed_set_of_delivery_statuses() -> Result<()> {
    let files = files()?;
    let document = files.iter().find(|file| file.path == "docs/openapi.json").context("there is no docs/openapi.json")?;
    let document: Value = serde_json::from_str(&document.text)?;
    let said = document["components"]["schemas"]["Delivery"]["properties"]["status"]["description"].as_str();
    let said = said.context("docs/openapi.json does not describe the status of a Delivery")?;
    let words: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
    let closed: Vec<&str> = DeliveryStatus::ALL.iter().map(|status| status.as_str()).collect();
    ensure!(words == closed, "docs/openapi.json says {words:?}, the closed set is {closed:?}");
    Ok(())
}

#[test]
fn documents_name_no_status_that_does_not_exist() -> Result<()> {
    let mut found = Vec::new();
    for file in ours()?.iter().filter(|file| file.is("md")) {
        for (number, line) in file.lines() {
            for word in line.split('`').skip(1).step_by(2).filter(|word| NO_STATUS.contains(word)) {
                found.push(format!("{}:{number}: {word}", file.path));
            }
        }
    }
    none(&found, "these are no delivery statuses")
}
