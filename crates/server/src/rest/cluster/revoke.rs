//! `POST /v1/clusters/{name}/revoke`.

use axum::extract::State;
use lockstep_api::problem::Problem;
use lockstep_core::access::{Action, Place};
use lockstep_core::cluster::{ClusterState, Purge};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::cluster::{self, ClusterRecord};
use lockstep_store::{join_token, placement};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::Clusters;
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::name::Name;
use crate::rest::precondition::Preconditions;
use crate::rest::problem::ApiError;
use crate::rest::query::{Mode, Params};
use crate::rest::resource::answer::{Answer, Outcome};
use crate::rest::resource::{called, manifest, subject};

/// What a revocation is asked with.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RevokeQuery {
    /// `All`: nothing is written, and the answer is what would be.
    dry_run: Option<String>,
    /// `true`: its agent is asked to remove all that was delivered, without asking the delete guard; one that is away, when it comes back.
    #[serde(default)]
    purge: bool,
}

/// Revoke a cluster
///
/// Its certificates are refused from now on, its agent's stream is cut on whichever replica has it, and its open join tokens are taken back.
/// What it holds stays, unless a purge is asked for; that may also be asked later. Neither is ever taken back: to use the cluster again, rejoin
/// it.
#[utoipa::path(
    post,
    path = "/v1/clusters/{name}/revoke",
    operation_id = "revokeCluster",
    tag = "clusters",
    params(("name" = String, Path, description = "The cluster's name"), RevokeQuery),
    responses(
        (status = 200, description = "The cluster as it is now", body = ref("#/components/schemas/Cluster"), headers(("lockstep-result" = String, description = "`configured` or `unchanged`"))),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    Params(query): Params<RevokeQuery>,
    conditions: Preconditions,
) -> Result<Answer<Clusters>, ApiError> {
    caller.permissions.require_anywhere(Action::Administer)?;
    let mode = Mode::of(query.dry_run.as_deref())?;
    let mut writing = Writing::begin(&app.pool).await?;
    let seq = writing.seq;
    let present = cluster::get(writing.connection(), &name).await?;
    caller.require(Action::Administer, Place::Cluster(&present.labels))?;
    conditions.check(&called::<Clusters>(&name), None, Some(present.seq))?;
    let target = target(&present.spec, query.purge);
    let (mut placements_changed, mut tokens_revoked) = (0, 0);
    if let Some(purge) = target {
        let id = present.id.into();
        cluster::revoke(writing.connection(), id, purge, seq).await?;
        tokens_revoked = join_token::revoke_open(writing.connection(), id).await?;
        placements_changed = placement::replan_cluster(writing.connection(), id, seq).await?;
    }
    let mut manifest = manifest::of_name::<Clusters>(writing.connection(), &caller.permissions, &name).await?;
    let outcome = if target.is_some() { Outcome::Configured } else { Outcome::Unchanged };
    if let (Some(purge), Mode::Keep) = (target, mode) {
        let detail = json!({
            "from": present.spec.state, "purge": purge == Purge::Asked, "joinTokensRevoked": tokens_revoked,
            "placementsChanged": placements_changed,
        });
        let entry = Entry { actor: caller.actor, kind: "ClusterRevoked", subject: subject::<Clusters>(&name), detail };
        writing.commit(&entry).await?;
    } else {
        writing.abandon().await?;
        manifest.metadata.resource_version = Some(present.seq.to_string());
    }
    Ok(Answer { outcome, placements_changed, manifest, tried: None })
}

/// What is asked of the agent once the cluster is revoked; `None`: it is revoked already, and so much was asked. In every state a cluster may
/// be revoked, also in one from which it is being removed: whoever has its key would be let in until then.
fn target(cluster: &ClusterRecord, purge: bool) -> Option<Purge> {
    // No agent ever joined: nothing was delivered.
    let asked = if purge && cluster.instance.is_some() { Purge::Asked } else { Purge::NotAsked };
    match (cluster.state, cluster.purge) {
        (ClusterState::Revoked, Purge::NotAsked) => (asked == Purge::Asked).then_some(asked),
        (ClusterState::Revoked, Purge::Asked | Purge::Done) => None,
        (ClusterState::Pending | ClusterState::Active | ClusterState::Paused | ClusterState::Removing, _) => Some(asked),
    }
}

#[cfg(test)]
mod tests {
    use lockstep_core::id::InstanceId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_state_may_be_revoked_a_purge_may_be_asked_later_and_nothing_takes_it_back() {
        use ClusterState::{Active, Paused, Pending, Removing, Revoked};
        use Purge::{Asked, Done, NotAsked};
        for (state, before, joined, purge, want) in [
            (Pending, NotAsked, false, false, Some(NotAsked)),
            (Pending, NotAsked, false, true, Some(NotAsked)),
            (Active, NotAsked, true, false, Some(NotAsked)),
            (Active, NotAsked, true, true, Some(Asked)),
            (Paused, NotAsked, true, true, Some(Asked)),
            (Removing, NotAsked, true, true, Some(Asked)),
            (Revoked, NotAsked, true, false, None),
            (Revoked, NotAsked, true, true, Some(Asked)),
            (Revoked, NotAsked, false, true, None),
            (Revoked, Asked, true, false, None),
            (Revoked, Asked, true, true, None),
            (Revoked, Done, true, true, None),
        ] {
            let instance = joined.then(|| InstanceId::from(Uuid::from_u128(2)));
            let cluster = ClusterRecord {
                state,
                purge: before,
                held: None,
                instance,
                unknown_bindings: 0,
                deletions_held: 0,
                service_account_issuer: None,
            };
            assert_eq!(target(&cluster, purge), want, "{state} {before:?} {purge}");
        }
    }
}
