//! Sources, clusters, deliveries, rotations and the history, judged from what the server lists.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use lockstep_api::change::Epoch;
use lockstep_core::delivery::DeliveryStatus;
use serde_json::Value;

use super::certificates::{ends, is_late};
use super::finding::{Finding, Level};
use crate::item;
use crate::kind::{Kind, Registered};

/// Things of one kind that are named; more are counted.
const NAMED_MAX: usize = 10;
/// Deliveries that are named with their cause.
const CAUSES_MAX: usize = 3;
/// A watcher that works looks every few seconds, or as it is configured; a pause that a source asks for is shorter than this.
const SWEPT_LATELY: TimeDelta = TimeDelta::minutes(10);
/// Looks that are missed before it is worth a word, where they are rarer than that.
const LOOKS_MISSED: i32 = 5;

/// Whether anything is held because the history was cut.
pub(super) fn history(epoch: &Epoch) -> Vec<Finding> {
    let open = "if the registry is right as it is: `lockstep epoch open --reason REASON`";
    match (&epoch.held, epoch.held_clusters) {
        (Some(why), _) => vec![Finding::fail("history", format!("nothing is sent to any cluster: {why}; {open}"))],
        (None, 0) => vec![Finding::ok("history", format!("epoch {}, {} changes, nothing is held", epoch.epoch, epoch.seq))],
        (None, held) => vec![Finding::fail("history", format!("{held} clusters are held; {open}"))],
    }
}

pub(super) fn sources(sources: &[Value], now: DateTime<Utc>) -> Vec<Finding> {
    let one = |source: &Value| {
        let name = name(Registered::Source, source);
        let (status, reason, message) = condition(source, "Ready")?;
        let swept = time(source.pointer("/status/lastSweptAt"));
        let interval = source.pointer("/status/watchIntervalMs").and_then(Value::as_i64).and_then(TimeDelta::try_milliseconds);
        let lately = SWEPT_LATELY.max(interval.unwrap_or_default() * LOOKS_MISSED);
        match status {
            "False" => Some(Finding::fail("sources", format!("{name}: {message}; more: `lockstep source check {name}`"))),
            _ if reason == "NotYetWatched" => Some(Finding::warn("sources", format!("{name}: {message}"))),
            _ => swept.filter(|swept| now - *swept > lately).map(|swept| {
                let ago = crate::age::ago(swept, now);
                Finding::warn(
                    "sources",
                    format!("{name} was looked at {ago} ago: is a replica watching it? `lockstep get source {name} -o yaml`"),
                )
            }),
        }
    };
    judged("sources", sources, "watched and answering", one)
}

/// Those that are revoked or about to go: that nothing is delivered there, and no certificate renewed, is meant so.
pub(super) fn out_of_use(clusters: &[Value]) -> BTreeSet<String> {
    clusters.iter().filter(|cluster| is_out_of_use(cluster)).map(|cluster| name(Registered::Cluster, cluster)).collect()
}

fn is_out_of_use(cluster: &Value) -> bool {
    matches!(cluster.pointer("/status/state").and_then(Value::as_str), Some("Revoked" | "Removing"))
}

pub(super) fn clusters(clusters: &[Value], now: DateTime<Utc>) -> Vec<Finding> {
    let mut findings = judged("clusters", clusters, "connected, or out of use", |cluster| {
        let name = name(Registered::Cluster, cluster);
        let (status, reason, message) = condition(cluster, "Ready")?;
        match (status, reason) {
            ("True", _) | (_, "Revoked" | "Removing") => None,
            (_, "Paused" | "NotJoined") => Some(Finding::warn("clusters", format!("{name}: {message}"))),
            _ => Some(Finding::fail("clusters", format!("{name}: {message}"))),
        }
    });
    for kind in ["DeletionsHeld", "RemovalsRefused"] {
        findings.extend(listed("clusters", clusters, |cluster| {
            let (_, _, message) = condition(cluster, kind).filter(|(status, ..)| *status == "True")?;
            Some(Finding::warn("clusters", format!("{}: {message}", name(Registered::Cluster, cluster))))
        }));
    }
    findings.extend(listed("certificates", clusters, |cluster| {
        if is_out_of_use(cluster) {
            return None;
        }
        let life_s = cluster.pointer("/status/agent/certificateLifeSeconds").and_then(Value::as_i64);
        let until = time(cluster.pointer("/status/agent/certificateExpiresAt")).filter(|until| is_late(*until, life_s, now))?;
        let name = name(Registered::Cluster, cluster);
        Some(Finding::warn(
            "certificates",
            format!("that of cluster {name}'s agent {} and was not renewed: its log says why", ends(until, now)),
        ))
    }));
    findings
}

/// Those of one status, `read` at most.
pub(super) fn deliveries(status: DeliveryStatus, level: Level, found: &[Value], read: usize) -> Option<Finding> {
    let more = if found.len() >= read { " or more" } else { "" };
    let cause = |delivery: &Value| {
        let cause = delivery["cause"].as_str().unwrap_or("no cause given");
        format!("{}: {cause}", item::name(Kind::Delivery, delivery))
    };
    let causes: Vec<String> = found.iter().take(CAUSES_MAX).map(cause).collect();
    let text = format!("{}{more} {status}: {}; all: `lockstep deliveries --status {status}`", found.len(), causes.join("; "));
    (!found.is_empty()).then(|| Finding::of(level, "deliveries", text))
}

/// The server says whether they are on time, as it knows what each may wait for: its jitter, a window, a run under way.
pub(super) fn rotations(rotations: &[Value]) -> Vec<Finding> {
    judged("rotations", rotations, "on time", |rotation| {
        let name = name(Registered::Rotation, rotation);
        let (_, _, message) = condition(rotation, "OnTime").filter(|(status, ..)| *status == "False")?;
        Some(Finding::fail("rotations", format!("{name}: {message}; more: `lockstep rotation history {name}`")))
    })
}

/// What is wrong with some, or that all are well.
fn judged(check: &'static str, items: &[Value], well: &str, one: impl Fn(&Value) -> Option<Finding>) -> Vec<Finding> {
    let findings = listed(check, items, one);
    match items {
        _ if !findings.is_empty() => findings,
        [] => vec![Finding::ok(check, "there are none".to_owned())],
        [_] => vec![Finding::ok(check, format!("the only one is {well}"))],
        all => vec![Finding::ok(check, format!("all {} are {well}", all.len()))],
    }
}

fn listed(check: &'static str, items: &[Value], one: impl Fn(&Value) -> Option<Finding>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = items.iter().filter_map(one).collect();
    // What failed is not pushed out by what may.
    findings.sort_by_key(|finding| finding.level != Level::Fail);
    let hidden = findings.split_off(findings.len().min(NAMED_MAX));
    if let Some(first) = hidden.first() {
        findings.push(Finding::of(first.level, check, format!("and {} more: `lockstep status`", hidden.len())));
    }
    findings
}

fn name(kind: Registered, item: &Value) -> String {
    item::name(Kind::Registered(kind), item)
}

/// A condition's status, reason and message.
fn condition<'a>(item: &'a Value, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let condition = item::conditions(item).iter().find(|condition| condition["type"] == kind)?;
    let text = |field: &str| condition[field].as_str().unwrap_or_default();
    Some((text("status"), text("reason"), text("message")))
}

fn time(value: Option<&Value>) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(value?.as_str()?).ok()?.to_utc())
}

#[cfg(test)]
mod tests;
