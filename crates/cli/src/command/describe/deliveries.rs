//! The deliveries of a cluster or a binding, what is wrong with them first.

use lockstep_core::delivery::DeliveryStatus;
use serde_json::Value;

use crate::kind::{Kind, Registered};
use crate::rest::client::Client;
use crate::table::{self, Table, Width};

/// More are for `get deliveries`.
const SHOWN: usize = 50;

/// The first of them, and how to see the others if there are more.
pub(super) async fn fetch(client: &Client, kind: Registered, manifest: &Value) -> anyhow::Result<(Table, Option<String>)> {
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
    Ok((table::of(Kind::Delivery, &deliveries, Width::All)?, more))
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
}
