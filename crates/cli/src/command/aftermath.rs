//! What becomes of what was delivered, once something is deleted, and what to do next.

use std::collections::BTreeMap;

use lockstep_api::binding::Binding;
use lockstep_api::delivery::Placement;
use lockstep_core::delivery::DeliveryStatus;
use serde::Deserialize;
use serde_json::Value;

use crate::kind::{Kind, Registered};
use crate::rest::client::Client;
use crate::rest::write::Mode;
use crate::terminal;

/// As the API takes it if a manifest does not say.
const POLICY_IF_ABSENT: &str = "Retain";

/// Tells a person who looks on. `left` is what the server answered to the deletion.
pub(super) async fn tell(client: &Client, kind: Registered, left: &Value, mode: Mode) {
    if mode != Mode::Keep || !terminal::is_watched() {
        return;
    }
    let name = left.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    match kind {
        Registered::Binding => terminal::hint(&of_binding(left)),
        // It is still there, and so are its bindings.
        Registered::Cluster => terminal::hint(&of_cluster(name, &policies(client, name).await)),
        Registered::Project | Registered::Source | Registered::Grant => {}
    }
}

/// A binding as it was.
fn of_binding(left: &Value) -> String {
    let deliveries = left.pointer("/status/deliveries").and_then(Value::as_object);
    // What was denied never got there.
    let got = deliveries.into_iter().flatten().filter(|(status, _)| *status != DeliveryStatus::Denied.as_str());
    let clusters: u64 = got.filter_map(|(_, count)| count.as_u64()).sum();
    let policy = left.pointer("/spec/deletionPolicy").and_then(Value::as_str).unwrap_or(POLICY_IF_ABSENT);
    match (clusters, policy) {
        (0, _) => "It was in no cluster: nothing is left of it.".to_owned(),
        (n, "Delete") => format!(
            "Its targets in {} are deleted (deletionPolicy Delete), as soon as each agent is connected.",
            clusters_in_words(n)
        ),
        (n, _) => format!(
            "Its targets in {} are kept (deletionPolicy Retain) and no longer updated: remove them there by hand if nobody needs them.",
            clusters_in_words(n)
        ),
    }
}

fn clusters_in_words(count: u64) -> String {
    if count == 1 { "1 cluster".to_owned() } else { format!("{count} clusters") }
}

/// A cluster that is being removed, with how many bindings have which policy there.
fn of_cluster(name: &str, policies: &BTreeMap<String, usize>) -> String {
    let count = |policy| policies.get(policy).copied().unwrap_or_default();
    let bindings = |n| if n == 1 { "1 binding".to_owned() } else { format!("{n} bindings") };
    let mut parts = Vec::new();
    match count("Retain") {
        0 => {}
        n => parts.push(format!("the targets of {} are kept (deletionPolicy Retain)", bindings(n))),
    }
    match count("Delete") {
        0 => {}
        n => parts.push(format!("the targets of {} are deleted by its agent (deletionPolicy Delete)", bindings(n))),
    }
    let what = if parts.is_empty() { String::new() } else { format!("There, {}.\n", parts.join(", and ")) };
    format!("{what}Next: `lockstep wait --for=delete cluster/{name}`, then stop its agent: it is no longer let in.")
}

/// The policies of the bindings that a cluster has, or had until now. What cannot be read is not told.
async fn policies(client: &Client, cluster: &str) -> BTreeMap<String, usize> {
    let (Ok(placements), Ok(bindings)) = (
        client.list(Kind::Placement, &[("cluster", cluster)]).await,
        client.list(Kind::Registered(Registered::Binding), &[]).await,
    ) else {
        return BTreeMap::new();
    };
    let bindings: BTreeMap<String, String> = bindings
        .iter()
        .filter_map(|binding| Binding::deserialize(binding).ok())
        .map(|b| (b.metadata.name, b.spec.deletion_policy.unwrap_or_else(|| POLICY_IF_ABSENT.to_owned())))
        .collect();
    let mut policies = BTreeMap::new();
    // A cluster that never got a binding has nothing of it.
    let had = placements.iter().filter_map(|p| Placement::deserialize(p).ok()).filter(|p| p.answer != "Denied");
    for policy in had.filter_map(|placement| bindings.get(&placement.binding)) {
        *policies.entry(policy.clone()).or_default() += 1;
    }
    policies
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deleted_binding_says_what_becomes_of_its_targets() {
        let binding =
            |policy: &str, deliveries: Value| json!({"spec": {"deletionPolicy": policy}, "status": {"deliveries": deliveries}});
        for (left, want) in [
            (
                binding("Retain", json!({"InSync": 4, "Pending": 1, "Denied": 3})),
                "Its targets in 5 clusters are kept (deletionPolicy Retain)",
            ),
            (binding("Delete", json!({"InSync": 1})), "Its targets in 1 cluster are deleted (deletionPolicy Delete)"),
            (binding("Retain", json!({})), "It was in no cluster"),
        ] {
            let text = of_binding(&left);
            assert!(text.starts_with(want), "{text}");
        }
    }

    #[test]
    fn a_removed_cluster_says_what_becomes_of_its_targets_and_to_stop_its_agent() {
        let text = of_cluster("prod", &BTreeMap::from([("Retain".to_owned(), 9), ("Delete".to_owned(), 1)]));
        let want = "There, the targets of 9 bindings are kept (deletionPolicy Retain), and the targets of 1 binding are deleted by its \
                    agent (deletionPolicy Delete).\nNext: `lockstep wait --for=delete cluster/prod`, then stop its agent";
        assert!(text.starts_with(want), "{text}");
        assert!(of_cluster("prod", &BTreeMap::new()).starts_with("Next: "));
    }
}
