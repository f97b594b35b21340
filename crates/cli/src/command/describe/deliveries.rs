//! The deliveries of a cluster or a binding, what is wrong with them first.

use lockstep_core::delivery::DeliveryStatus;
use serde_json::Value;

use crate::kind::{Kind, Registered};
use crate::rest::client::Client;
use crate::table::{self, Table, Width};

/// More are for `get deliveries`.
const SHOWN: usize = 50;

/// The first of them.
pub(super) struct Deliveries {
    pub(super) table: Table,
    /// Of a binding with `{cluster}` in a path: which one each cluster draws.
    pub(super) drawn: Option<Table>,
    /// How to see the others, if there are more.
    pub(super) more: Option<String>,
}

pub(super) async fn fetch(client: &Client, kind: Registered, manifest: &Value) -> anyhow::Result<Deliveries> {
    let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
    let (mut deliveries, mut all) = (Vec::new(), 0);
    for (status, count) in counts(manifest) {
        all += count;
        let room = SHOWN - deliveries.len();
        if room > 0 {
            let query = [(kind.singular(), name), ("status", status.as_str())];
            deliveries.extend(client.first(Kind::Delivery, &query, room).await?);
        }
    }
    let hidden = all.saturating_sub(deliveries.len() as u64);
    let more = (hidden > 0).then(|| format!("… and {hidden} more: lockstep get deliveries --{} {name}", kind.singular()));
    let drawn = drawn(manifest, &deliveries).map(|drawn| table::of_drawn(&drawn)).transpose()?;
    Ok(Deliveries { table: table::of(Kind::Delivery, &deliveries, Width::All)?, drawn, more })
}

/// The deliveries with those of their secrets only that the binding does not name as they are; `None`: it names all.
fn drawn(manifest: &Value, deliveries: &[Value]) -> Option<Vec<Value>> {
    let items = manifest.pointer("/spec/items").and_then(Value::as_array)?;
    let differs = |item: &&Value| item["path"].as_str().is_some_and(|path| path.contains("{cluster}"));
    items.iter().find(differs)?;
    let is_named =
        |secret: &Value| items.iter().any(|item| ["source", "mount", "path"].iter().all(|field| item[*field] == secret[*field]));
    let one = |delivery: &Value| {
        let mut delivery = delivery.clone();
        if let Some(versions) = delivery["versions"].as_array_mut() {
            versions.retain(|secret| !is_named(secret));
        }
        delivery
    };
    Some(deliveries.iter().map(one).collect())
}

/// The statuses there are, with what is in sync last.
fn counts(manifest: &Value) -> Vec<(DeliveryStatus, u64)> {
    let count = |status: DeliveryStatus| manifest["status"]["deliveries"][status.as_str()].as_u64().unwrap_or_default();
    let mut counts: Vec<_> = DeliveryStatus::ALL.into_iter().map(|status| (status, count(status))).collect();
    counts.retain(|(_, count)| *count > 0);
    counts.sort_by_key(|(status, _)| *status == DeliveryStatus::InSync);
    counts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_comes_first() {
        let manifest = json!({"status": {"deliveries": {"InSync": 9, "Failed": 1, "Held": 0, "Stale": 2}}});
        let want = [(DeliveryStatus::Failed, 1), (DeliveryStatus::Stale, 2), (DeliveryStatus::InSync, 9)];
        assert_eq!(counts(&manifest), want);
        assert_eq!(counts(&json!({})), []);
    }

    #[test]
    fn what_each_cluster_draws_is_told_where_it_differs() {
        let secret = |path: &str| json!({"source": "corp", "mount": "kv", "path": path, "desired": 1});
        let binding = |path: &str| json!({"spec": {"items": [secret("all"), secret(path)]}});
        let delivery = |cluster: &str, paths: [&str; 2]| {
            json!({"cluster": cluster, "binding": "b", "project": "p", "status": "InSync", "desiredRevision": "1.1", "targetsApplied": 1,
                "targetsTotal": 1, "versions": paths.map(secret)})
        };
        let deliveries = ["eu-1", "eu-2"].map(|cluster| delivery(cluster, ["all", &format!("db/{cluster}")]));
        assert_eq!(drawn(&binding("db"), &deliveries), None);
        assert_eq!(drawn(&json!({"spec": {}}), &deliveries), None, "a cluster has no items");
        let found = drawn(&binding("db/{cluster}"), &deliveries).unwrap();
        let text = table::of_drawn(&found).unwrap().render(table::Style { now: chrono::DateTime::UNIX_EPOCH, colours: false });
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines, [["CLUSTER", "DRAWS"], ["eu-1", "corp/kv/db/eu-1"], ["eu-2", "corp/kv/db/eu-2"]]);
    }
}
