//! Metrics: what boards and alerts ask for exists, and what exists is asked for.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use lockstep_testbed::checkout;

use crate::board::{Query, boards};
use crate::exceptions::SHOWN_NOWHERE;
use crate::rules;

/// The metrics that an expression names; a histogram by its own name.
pub(crate) fn named(expression: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = |at: usize| !expression[..at].ends_with(|c: char| c.is_alphanumeric() || "_-:\"".contains(c));
    let all = expression.match_indices("lockstep_").filter(|(at, _)| begins(*at));
    all.map(|(at, _)| {
        let name: String = expression[at..].chars().take_while(|c| is_part(*c)).collect();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        base.map_or_else(|| name.clone(), str::to_owned)
    })
    .collect()
}

/// The metrics of docs/metrics.md: the first cell of each row of its tables.
fn documented() -> Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(checkout::find("docs/metrics.md")?)?;
    let names = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    Ok(names.filter(|name| name.starts_with("lockstep_")).map(str::to_owned).collect())
}

/// Where each metric is shown.
fn shown() -> Result<BTreeMap<String, Vec<String>>> {
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for board in boards()? {
        for panel in &board.panels {
            for query in &panel.queries {
                if let Query::Metrics(expression) = query {
                    for name in named(expression) {
                        shown.entry(name).or_default().push(format!("{}, {}", board.uid, panel.title));
                    }
                }
            }
        }
    }
    for rule in rules::rules()? {
        for name in named(&rule.expression) {
            shown.entry(name).or_default().push(rule.name.clone());
        }
    }
    Ok(shown)
}

#[test]
fn every_metric_that_a_board_or_an_alert_names_is_documented() -> Result<()> {
    let documented = documented()?;
    ensure!(documented.len() > 60, "{documented:?}");
    let shown = shown()?;
    let unknown: Vec<_> = shown.iter().filter(|(name, _)| !documented.contains(*name)).collect();
    ensure!(unknown.is_empty(), "not in docs/metrics.md: {unknown:#?}");
    println!("{} metrics are named in boards and alerts", shown.len());
    Ok(())
}

#[test]
fn every_documented_metric_is_in_a_panel_or_an_alert() -> Result<()> {
    let (documented, shown) = (documented()?, shown()?);
    let excepted: BTreeSet<&str> = SHOWN_NOWHERE.iter().map(|(name, _)| *name).collect();
    let missing: Vec<_> =
        documented.iter().filter(|name| !shown.contains_key(*name) && !excepted.contains(name.as_str())).collect();
    ensure!(missing.is_empty(), "in no panel and no alert: {missing:#?}");
    let needless: Vec<_> = excepted.iter().filter(|name| shown.contains_key(**name) || !documented.contains(**name)).collect();
    ensure!(needless.is_empty(), "exceptions without need: {needless:?}");
    Ok(())
}

#[test]
fn a_metric_is_found_in_an_expression_whatever_is_around_it() {
    let names =
        named("histogram_quantile(0.9, sum by (le) (rate(lockstep_a_seconds_bucket{job=\"lockstep_x\"}[5m]))) > lockstep_b");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["lockstep_a_seconds", "lockstep_b"]);
    assert!(named("lockstep:propagation_late:ratio_rate5m").is_empty(), "a recorded rule is none");
}
