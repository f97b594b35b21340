//! What the status is drawn from.

use std::collections::BTreeMap;

use anyhow::Context;
use lockstep_api::change::Epoch;
use lockstep_api::cluster::Cluster;
use lockstep_core::delivery::DeliveryStatus;
use serde::Deserialize;
use serde_json::{Value, json};

use super::picture;
use crate::kind::{Kind, Registered};
use crate::rest::client::Client;

/// Deliveries asked for of each status: one answer's worth. More are for `get deliveries`.
const READ_OF_EACH: usize = 500;

/// Everything that is asked for.
pub(super) struct Overview {
    pub(super) epoch: Epoch,
    pub(super) clusters: Vec<Value>,
    /// Of each status other than in sync the first few.
    pub(super) deliveries: Vec<Value>,
    /// Bindings that select no cluster.
    pub(super) unmatched: Vec<Value>,
    /// Bindings that are pinned to a version.
    pub(super) pinned: Vec<Value>,
    /// How many have which status, over all clusters.
    pub(super) counts: BTreeMap<String, u64>,
}

impl Overview {
    /// Asks for epoch and clusters, then for the deliveries of each status that a cluster counts, and for the bindings.
    pub(super) async fn fetch(client: &Client) -> anyhow::Result<Self> {
        let epoch = client.get(&["epoch"]).await?;
        let clusters = client.list(Kind::Registered(Registered::Cluster), &[]).await?;
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for cluster in &clusters {
            let cluster =
                Cluster::deserialize(cluster).context("a cluster is not what this command knows: is it a newer server?")?;
            for (status, count) in cluster.status.map(|s| s.deliveries).unwrap_or_default() {
                *counts.entry(status).or_default() += count;
            }
        }
        let mut deliveries = Vec::new();
        let wrong = counts.iter().filter(|(status, count)| *status != DeliveryStatus::InSync.as_str() && **count > 0);
        for (status, _) in wrong {
            deliveries.extend(client.first(Kind::Delivery, &[("status", status)], READ_OF_EACH).await?);
        }
        let bindings = client.list(Kind::Registered(Registered::Binding), &[]).await?;
        let is_pinned = |binding: &&Value| binding.pointer("/status/pinned").is_some();
        let pinned = bindings.iter().filter(is_pinned).cloned().collect();
        let unmatched = bindings.into_iter().filter(|binding| binding.pointer("/status/clusters") == Some(&json!(0))).collect();
        Ok(Self { epoch, clusters, deliveries, unmatched, pinned, counts })
    }

    /// For programs.
    pub(super) fn data(&self) -> Value {
        json!({
            "epoch": self.epoch,
            "clusters": self.clusters,
            "counts": self.counts,
            "deliveries": self.deliveries,
            "bindingsInNoCluster": self.unmatched,
            "bindingsPinned": self.pinned,
        })
    }

    /// Whether a person would see a difference; ages do not count.
    pub(super) fn differs(&self, other: &Self) -> anyhow::Result<bool> {
        Ok(picture::draw(self)? != picture::draw(other)?)
    }

    /// How many deliveries are not in sync and not among those that were read.
    pub(super) fn hidden(&self) -> u64 {
        let wrong: u64 =
            self.counts.iter().filter(|(status, _)| *status != DeliveryStatus::InSync.as_str()).map(|(_, n)| n).sum();
        wrong.saturating_sub(self.deliveries.len() as u64)
    }
}
