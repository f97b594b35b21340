//! Metrics are called the same in the code and wherever people read of them.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};

use crate::repository::{File, files, none};

/// Words that begin with `lockstep_` and, at least in the code, are no metric.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let all = text.match_indices("lockstep_").filter(|(at, _)| begins(*at));
    all.map(|(at, _)| text[at..].chars().take_while(|c| is_part(*c)).collect()).collect()
}

/// The metrics that our crates register.
fn registered(files: &[File]) -> BTreeSet<String> {
    let code = files.iter().filter(|file| file.path.starts_with("crates/") && file.path.contains("/src/") && file.is("rs"));
    let literals = code.flat_map(|file| file.text.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    let crates = ["lockstep_server", "lockstep_agent", "lockstep_store", "lockstep_vault", "lockstep_testbed", "lockstep_core"];
    let is_metric = |text: &String| names(text).first() == Some(text) && !crates.contains(&text.as_str());
    literals.filter(is_metric).collect()
}

#[test]
fn every_metric_that_documents_dashboards_and_alerts_name_is_registered_and_every_one_is_documented() -> Result<()> {
    let files = files()?;
    let registered = registered(&files);
    ensure!(registered.len() > 10, "only {registered:?} found in the code");
    let mut found = Vec::new();
    let is_reader = |f: &&File| f.path == "docs/metrics.md" || f.path.starts_with("dashboards/");
    for file in files.iter().filter(is_reader) {
        for name in names(&file.text) {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
            if !registered.contains(&name) && !registered.contains(base) {
                found.push(format!("{} names {name}, which nothing registers", file.path));
            }
        }
    }
    if let Some(document) = files.iter().find(|file| file.path == "docs/metrics.md") {
        let documented = names(&document.text);
        found.extend(registered.difference(&documented).map(|name| format!("docs/metrics.md does not tell of {name}")));
    }
    none(&found, "metrics and what is said of them differ")
}

#[test]
fn metrics_have_base_units_and_counters_end_in_total() -> Result<()> {
    let files = files()?;
    let file = files.iter().find(|file| file.path == "crates/server/src/metrics.rs").context("the server has no metrics.rs")?;
    let mut found = Vec::new();
    for name in registered(&files) {
        let wrong = ["_ms", "_milliseconds", "_minutes", "_kb", "_mb", "_count", "_bucket", "_sum"];
        if wrong.iter().any(|end| name.ends_with(end)) {
            found.push(format!("{name}: use base units, and none of Prometheus' own endings"));
        }
    }
    for call in ["register.counter(", "register.counters("] {
        for rest in file.text.split(call).skip(1) {
            let name = rest.split('"').nth(1).unwrap_or_default();
            if !name.ends_with("_total") {
                found.push(format!("{name}: a counter ends in _total"));
            }
        }
    }
    none(&found, "names follow Prometheus' conventions")
}
