//! Alerts: promtool understands them, each has a case in which it fires and one in which it does not, and a runbook.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::{charts, checkout, prometheus};
use serde_json::Value;

use crate::board::list;

/// A rule.
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) expression: String,
    pub(crate) is_alert: bool,
    annotations: Value,
}

pub(crate) fn file() -> Result<PathBuf> {
    checkout::find("deploy/prometheus/lockstep.rules.yaml")
}

pub(crate) fn rules() -> Result<Vec<Rule>> {
    let documents = charts::objects(&std::fs::read_to_string(file()?)?)?;
    let groups = documents.iter().flat_map(|document| list(&document["groups"]));
    groups
        .flat_map(|group| list(&group["rules"]))
        .map(|rule| {
            let name = rule["alert"].as_str().or(rule["record"].as_str()).context("a rule without a name")?;
            let expression = rule["expr"].as_str().with_context(|| format!("{name} has no expression"))?;
            let is_alert = rule["alert"].is_string();
            Ok(Rule { name: name.into(), expression: expression.into(), is_alert, annotations: rule["annotations"].clone() })
        })
        .collect()
}

fn test_files() -> Result<Vec<PathBuf>> {
    let mut files: Vec<_> =
        std::fs::read_dir(checkout::find("deploy/prometheus/tests")?)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    Ok(files)
}

fn promtool(arguments: &[&str], files: &[PathBuf]) -> Result<()> {
    let output = Command::new(prometheus::promtool()?).args(arguments).args(files).output()?;
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "promtool {}: {told}", arguments.join(" "));
    Ok(())
}

#[test]
fn promtool_finds_nothing_wrong_with_the_rules() -> Result<()> {
    promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &[file()?])
}

#[test]
fn every_alert_fires_when_it_should_and_not_when_it_should_not() -> Result<()> {
    let files = test_files()?;
    promtool(&["test", "rules"], &files)?;
    let (mut fired, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for file in &files {
        for document in charts::objects(&std::fs::read_to_string(file)?)? {
            for case in list(&document["tests"]).iter().flat_map(|test| list(&test["alert_rule_test"])) {
                let name = case["alertname"].as_str().context("a case without an alert")?.to_owned();
                if list(&case["exp_alerts"]).is_empty() {
                    silent.insert(name)
                } else {
                    fired.insert(name)
                };
            }
        }
    }
    let alerts: BTreeSet<String> = rules()?.into_iter().filter(|rule| rule.is_alert).map(|rule| rule.name).collect();
    ensure!(fired == alerts, "with a case in which they fire: {fired:#?}, of {alerts:#?}");
    ensure!(silent == alerts, "with a case in which they do not: {silent:#?}, of {alerts:#?}");
    println!("{} alerts fire in one case and not in another", alerts.len());
    Ok(())
}

#[test]
fn every_alert_has_a_runbook_that_says_what_it_means_what_to_look_at_and_what_not_to_do() -> Result<()> {
    let mut used = BTreeSet::new();
    for rule in rules()?.iter().filter(|rule| rule.is_alert) {
        let path = rule.annotations["runbook_url"].as_str().with_context(|| format!("{} has no runbook", rule.name))?;
        let text = std::fs::read_to_string(checkout::find(path)?)?;
        for heading in ["## What it means", "## Find the cause", "## What to do", "## What not to do"] {
            ensure!(text.contains(heading), "{path} has no {heading:?}");
        }
        ensure!(text.contains(&format!("`{}`", rule.name)), "{path} does not name {}", rule.name);
        for key in ["summary", "description"] {
            ensure!(rule.annotations[key].as_str().is_some_and(|text| !text.is_empty()), "{} has no {key}", rule.name);
        }
        used.insert(path.to_owned());
    }
    for entry in std::fs::read_dir(checkout::find("docs/runbooks")?)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        ensure!(name == "README.md" || used.contains(&format!("docs/runbooks/{name}")), "no alert leads to docs/runbooks/{name}");
    }
    Ok(())
}
