//! How clusters are: whether their agent is there, and how far they are in step.

use lockstep_api::cluster::{AgentStatus, ClusterStatus};
use lockstep_api::manifest::Condition;
use lockstep_core::cluster::{ClusterState, Purge};
use lockstep_core::id::ClusterId;
use lockstep_store::cluster::ClusterRecord;
use lockstep_store::delivery::{Left, Refused};
use lockstep_store::meta::Registered;
use lockstep_store::session::Shown;
use lockstep_store::{PgConnection, delivery, registry, session};

use crate::rest::condition;
use crate::rest::problem::ApiError;

/// In five queries, however many they are.
pub(super) async fn statuses(
    connection: &mut PgConnection,
    records: &[Registered<ClusterRecord>],
) -> Result<Vec<ClusterStatus>, ApiError> {
    let ids: Vec<ClusterId> = records.iter().map(|r| r.id.into()).collect();
    let mut counts = delivery::count_of_clusters(connection, &ids).await?;
    let mut sessions = session::of_clusters(connection, &ids).await?;
    let mut refused = delivery::removals_refused(connection, &ids).await?;
    let mut left = delivery::left(connection, &ids).await?;
    let all_held = registry::get(connection).await?.held;
    let one = |r: &Registered<ClusterRecord>| {
        let session = sessions.remove(&r.id.into());
        let held = all_held.clone().or_else(|| r.spec.held.clone());
        ClusterStatus {
            state: r.spec.state.to_string(),
            conditions: [
                Some(ready(r, held.as_deref(), session.as_ref())),
                deletions_held(r),
                refused.remove(&r.id.into()).as_ref().map(removals_refused),
                purged(r, &left.remove(&r.id.into()).unwrap_or_default()),
            ]
            .into_iter()
            .flatten()
            .collect(),
            held,
            agent: session.map(agent),
            deliveries: counts.remove(&r.id.into()).unwrap_or_default(),
            unknown_bindings: r.spec.unknown_bindings,
            deletions_held: r.spec.deletions_held,
        }
    };
    Ok(records.iter().map(one).collect())
}

/// Only while it holds some back.
fn deletions_held(cluster: &Registered<ClusterRecord>) -> Option<Condition> {
    let (name, count) = (&cluster.name, cluster.spec.deletions_held);
    let deletions = if count == 1 { "deletion" } else { "deletions" };
    let message = format!(
        "the delete guard holds back {count} {deletions}: more than may go from this cluster at once. It keeps what it has. To see which: \
         `lockstep confirm {name} --dry-run=server`; if they are meant: `lockstep confirm {name}`"
    );
    (count > 0).then(|| condition::holds("DeletionsHeld", "DeleteGuard", message))
}

/// Only while there are some.
fn removals_refused(Refused { count, binding, cause }: &Refused) -> Condition {
    let removals = if *count == 1 { "removal" } else { "removals" };
    let message = format!(
        "the agent refused {count} {removals}, which are tried again with longer and longer pauses; of binding {binding:?}: {cause}"
    );
    condition::holds("RemovalsRefused", "AgentRefused", message)
}

/// Only of a revoked cluster whose agent was asked to remove what was delivered.
fn purged(cluster: &Registered<ClusterRecord>, left: &Left) -> Option<Condition> {
    match (cluster.spec.state, cluster.spec.purge) {
        (ClusterState::Revoked, Purge::Done) => {
            Some(condition::holds("Purged", "Confirmed", "its agent confirmed that it removed what was delivered"))
        }
        (ClusterState::Revoked, Purge::Asked) => {
            let bindings = if left.count == 1 { "binding" } else { "bindings" };
            let refused = match &left.refused {
                Some((binding, cause)) => format!(" It would not yet; of binding {binding:?}: {cause}"),
                None => String::new(),
            };
            let message = format!(
                "its agent is asked to remove what was delivered, of {} {bindings}, as soon as it is connected, until it has confirmed.{refused}",
                left.count
            );
            Some(condition::fails("Purged", "Asked", message))
        }
        _ => None,
    }
}

fn agent(session: Shown) -> AgentStatus {
    AgentStatus {
        version: session.agent_version,
        replica: session.replica,
        connected_at: session.connected_at,
        heard_at: session.heard_at,
        certificate_expires_at: session.certificate_not_after,
        certificate_life_seconds: session.certificate_life_s,
    }
}

fn ready(cluster: &Registered<ClusterRecord>, held: Option<&str>, session: Option<&Shown>) -> Condition {
    let name = &cluster.name;
    let fails = |reason, message: String| condition::fails("Ready", reason, message);
    match (cluster.spec.state, held, session) {
        (ClusterState::Pending, ..) => {
            fails("NotJoined", format!("no agent has joined yet: give one a token of `lockstep cluster token {name}`"))
        }
        (ClusterState::Paused, ..) => fails("Paused", format!("nothing is sent until `lockstep cluster resume {name}`")),
        (ClusterState::Revoked, ..) => {
            fails("Revoked", format!("its certificates are refused until it is joined anew: `lockstep cluster rejoin {name}`"))
        }
        (ClusterState::Removing, ..) => fails("Removing", "its placements are being taken back".to_owned()),
        (ClusterState::Active, Some(why), _) => fails("Held", why.to_owned()),
        (ClusterState::Active, None, None) => {
            fails("AgentDisconnected", "its agent is not connected: its log in the cluster says why".to_owned())
        }
        (ClusterState::Active, None, Some(_)) => condition::holds("Ready", "Connected", "its agent is connected"),
    }
}
