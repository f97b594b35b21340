//! How clusters and deliveries are, as the CLI shows them to anybody.

use std::collections::BTreeMap;

use anyhow::Result;
use lockstep_testbed::Fleet;
use serde_json::Value;

/// What was seen last. Empty until the first answer.
#[derive(Debug, Default)]
pub(super) struct Observed {
    clusters: Option<BTreeMap<String, Cluster>>,
    /// By cluster and binding.
    deliveries: BTreeMap<(String, String), String>,
}

#[derive(Debug)]
struct Cluster {
    state: String,
    has_agent: bool,
}

/// Asks.
pub(super) async fn look(fleet: &Fleet) -> Result<Observed> {
    let list = async |kind: &str| anyhow::Ok(fleet.cli(&["get", kind, "-o", "json"]).await?.json()?["items"].take());
    Ok(Observed::of(&list("clusters").await?, &list("deliveries").await?))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Observed {
    pub(super) fn of(clusters: &Value, deliveries: &Value) -> Self {
        let cluster = |c: &Value| {
            let (name, status) = (text(&c["metadata"]["name"]), &c["status"]);
            (name, Cluster { state: text(&status["state"]), has_agent: status["agent"].is_object() })
        };
        let delivery = |d: &Value| ((text(&d["cluster"]), text(&d["binding"])), text(&d["status"]));
        Self {
            clusters: Some(clusters.as_array().into_iter().flatten().map(cluster).collect()),
            deliveries: deliveries.as_array().into_iter().flatten().map(delivery).collect(),
        }
    }

    /// Whether a cluster that was there is registered no more.
    pub(super) fn is_removed(&self, cluster: &str) -> bool {
        self.clusters.as_ref().is_some_and(|clusters| !clusters.contains_key(cluster))
    }

    /// Why a cluster does not hold the newest version of a binding's secret, in a word or two.
    pub(super) fn why_not(&self, cluster: &str, binding: &str) -> &str {
        let Some(clusters) = &self.clusters else { return "behind" };
        let Some(known) = clusters.get(cluster) else { return "removed" };
        let delivery = self.deliveries.get(&(cluster.to_owned(), binding.to_owned())).map(String::as_str);
        match (known.state.as_str(), delivery) {
            ("Paused", _) => "paused",
            ("Removing", _) => "removing",
            ("Revoked", _) => "revoked",
            (_, None) => "unbound",
            _ if !known.has_agent => "no agent",
            (_, Some("Denied")) => "denied",
            (_, Some("Conflict")) => "conflict",
            (_, Some("Failed")) => "failed",
            (_, Some("Held")) => "held",
            (_, Some("Stale")) => "stale",
            _ => "behind",
        }
    }
}
