//! `POST /v1/clusters/{name}/rejoin`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode};
use lockstep_api::cluster::{JoinToken, JoinTokenRequest};
use lockstep_api::problem::Problem;
use lockstep_core::access::{Action, Place};
use lockstep_core::cluster::ClusterState;
use lockstep_store::change::{Entry, Writing};
use lockstep_store::cluster::{self, ClusterRecord};
use lockstep_store::meta::Registered;
use lockstep_store::{PgConnection, join_token, placement, session};
use serde_json::json;

use super::Clusters;
use super::life::removing;
use super::mint_join_token::{Fresh, ttl_s};
use crate::app::App;
use crate::rest::body::Body;
use crate::rest::caller::Caller;
use crate::rest::code::Code;
use crate::rest::name::Name;
use crate::rest::problem::ApiError;
use crate::rest::resource::subject;

/// Make a cluster ready to be joined anew
///
/// For one whose agent was lost, that was revoked, or that was built anew under its name. Nothing is left of the agent before: its certificates,
/// its right to renew them and every join token are refused from now on. The agent that joins with the token of this answer gets everything
/// again. Refused while an agent is connected, unless the cluster was revoked; a paused cluster stays paused.
#[utoipa::path(
    post,
    path = "/v1/clusters/{name}/rejoin",
    operation_id = "rejoinCluster",
    tag = "clusters",
    params(("name" = String, Path, description = "The cluster's name")),
    request_body(content = Option<JoinTokenRequest>, description = "May be left out"),
    responses(
        (status = 201, description = "The token, and what the agent needs beside it", body = JoinToken),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn rejoin(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    body: Body,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<JoinToken>), ApiError> {
    caller.permissions.require_anywhere(Action::Administer)?;
    let ttl = ttl_s(&body)?;
    let fresh = Fresh::make(&app)?;
    let mut writing = Writing::begin(&app.pool).await?;
    let seq = writing.seq;
    let present = cluster::get(writing.connection(), &name).await?;
    // As with a join token: whoever has it can be the cluster.
    caller.require(Action::Administer, Place::Cluster(&present.labels))?;
    let id = present.id.into();
    let state = target(writing.connection(), &present).await?;
    join_token::revoke_all(writing.connection(), id).await?;
    cluster::begin_anew(writing.connection(), id, state, seq).await?;
    let placements_changed = placement::replan_cluster(writing.connection(), id, seq).await?;
    let (token_id, expires_at) = fresh.register(writing.connection(), id, ttl).await?;
    let detail = json!({
        "from": present.spec.state, "to": state, "before": present.spec.instance, "joinToken": token_id, "ttlSeconds": ttl,
        "expiresAt": expires_at, "placementsChanged": placements_changed,
    });
    let entry = Entry { actor: caller.actor, kind: "ClusterRejoining", subject: subject::<Clusters>(&name), detail };
    writing.commit(&entry).await?;
    Ok(fresh.answer(&app, name, expires_at))
}

/// The state to go to.
async fn target(connection: &mut PgConnection, present: &Registered<ClusterRecord>) -> Result<ClusterState, ApiError> {
    let name = &present.name;
    let state = match present.spec.state {
        ClusterState::Removing => return Err(removing(name)),
        // Whatever is connected to it now is there to go.
        ClusterState::Revoked => return Ok(ClusterState::Pending),
        ClusterState::Paused => ClusterState::Paused,
        ClusterState::Pending | ClusterState::Active => ClusterState::Pending,
    };
    match session::of_cluster(connection, present.id.into()).await? {
        None => Ok(state),
        Some(session) => {
            let detail = format!(
                "the agent of cluster {name:?} is connected, to replica {}: if it is not to be trusted any more, `lockstep cluster revoke \
                 {name}` first. If it was stopped just now, its stream ends within {} s",
                session.replica,
                session::SILENCE_LIMIT.as_secs()
            );
            Err(ApiError::new(Code::WrongState, detail))
        }
    }
}
