//! Metrics are called the same in the code and wherever people read of them. That docs/metrics.md has all of them, and says what they say, is a test
//! of the crates that register them (`metrics_page`), as are Prometheus' conventions.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

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
    let crates = [
        "lockstep_server",
        "lockstep_agent",
        "lockstep_store",
        "lockstep_vault",
        "lockstep_testbed",
        "lockstep_core",
        "lockstep_telemetry",
    ];
    let is_metric = |text: &String| names(text).first() == Some(text) && !crates.contains(&text.as_str());
    literals.filter(is_metric).collect()
}

#[test]
fn every_metric_that_documents_dashboards_and_alerts_name_is_registered() -> Result<()> {
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
    none(&found, "metrics and what is said of them differ")
}
