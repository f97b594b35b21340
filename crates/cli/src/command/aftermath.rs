//! What becomes of what was delivered, once something is deleted, and what to do next.

use lockstep_api::delivery::Placement;
use lockstep_core::delivery::DeliveryStatus;
use serde::Deserialize;
use serde_json::Value;

use crate::kind::{Kind, Registered};
use crate::rest::client::Client;
use crate::rest::failure::Failure;
use crate::rest::write::{Mode, Secrets};
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
        Registered::Cluster => tell_of_cluster(client, name, Secrets::default()).await,
        Registered::Project
        | Registered::Source
        | Registered::Grant
        | Registered::RoleAssignment
        | Registered::Rotation
        | Registered::MaintenanceWindow => {}
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

/// Tells a person who looks on what becomes of a cluster that is being removed.
pub(super) async fn tell_of_cluster(client: &Client, name: &str, secrets: Secrets) {
    if terminal::is_watched() {
        terminal::hint(&of_cluster(name, secrets, bindings(client, name).await.unwrap_or_default().len()));
    }
}

fn of_cluster(name: &str, secrets: Secrets, bindings: usize) -> String {
    let becomes = match secrets {
        Secrets::Retain => "kept and no longer updated (--secrets=retain)",
        Secrets::Purge => "deleted by its agent (--secrets=purge)",
    };
    let what = match bindings {
        0 => String::new(),
        1 => format!("There, the targets of 1 binding are {becomes}.\n"),
        n => format!("There, the targets of {n} bindings are {becomes}.\n"),
    };
    format!(
        "{what}Next: `lockstep wait --for=delete cluster/{name}`, then stop its agent: it is no longer let in. \
         If it is gone for good: `lockstep cluster remove {name} --force`."
    )
}

/// What becomes of what was delivered to a cluster that was forgotten without its agent.
pub(super) fn of_forgotten(bindings: &[String]) -> String {
    const REFUSED: &str = "An agent of it that comes back is refused.";
    let what = match bindings {
        [] => return format!("It had no bindings: nothing is left there. {REFUSED}"),
        [one] => format!("the targets of binding {one}"),
        several => format!("the targets of {} bindings ({})", several.len(), several.join(", ")),
    };
    format!("What was delivered stays there, and nobody updates or deletes it any more: {what}. {REFUSED}")
}

/// The bindings that a cluster had until now.
pub(super) async fn bindings(client: &Client, cluster: &str) -> Result<Vec<String>, Failure> {
    let placements = client.list(Kind::Placement, &[("cluster", cluster)]).await?;
    // A cluster that never got a binding has nothing of it.
    let got = placements.iter().filter_map(|p| Placement::deserialize(p).ok()).filter(|p| p.answer != "Denied");
    Ok(got.map(|p| p.binding).collect())
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
        let text = of_cluster("prod", Secrets::Retain, 9);
        let want = "There, the targets of 9 bindings are kept and no longer updated (--secrets=retain).\nNext: `lockstep wait --for=delete \
                    cluster/prod`, then stop its agent";
        assert!(text.starts_with(want), "{text}");
        let text = of_cluster("prod", Secrets::Purge, 1);
        assert!(text.starts_with("There, the targets of 1 binding are deleted by its agent (--secrets=purge).\n"), "{text}");
        assert!(of_cluster("prod", Secrets::Retain, 0).starts_with("Next: "));
    }

    #[test]
    fn a_forgotten_cluster_says_what_stays_there() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        for (bindings, want) in [
            (names(&[]), "It had no bindings: nothing is left there. "),
            (
                names(&["a"]),
                "What was delivered stays there, and nobody updates or deletes it any more: the targets of binding a. ",
            ),
            (
                names(&["a", "b"]),
                "What was delivered stays there, and nobody updates or deletes it any more: the targets of 2 bindings (a, b). ",
            ),
        ] {
            assert_eq!(of_forgotten(&bindings), format!("{want}An agent of it that comes back is refused."));
        }
    }
}
