//! `DELETE /v1/clusters/{name}/join-tokens`.

use axum::extract::State;
use axum::http::StatusCode;
use lockstep_api::problem::Problem;
use lockstep_core::access::{Action, Place};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::{cluster, join_token};
use serde_json::json;

use super::Clusters;
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::name::Name;
use crate::rest::problem::ApiError;
use crate::rest::resource::subject;

/// Revoke open join tokens
///
/// Takes back every token of the cluster that no agent has used. What has joined stays joined.
#[utoipa::path(
    delete,
    path = "/v1/clusters/{name}/join-tokens",
    operation_id = "revokeJoinTokens",
    tag = "clusters",
    params(("name" = String, Path, description = "The cluster's name")),
    responses(
        (status = 204, description = "None can be used any more"),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn revoke_join_tokens(State(app): State<App>, caller: Caller, Name(name): Name) -> Result<StatusCode, ApiError> {
    caller.permissions.require_anywhere(Action::Administer)?;
    let mut writing = Writing::begin(&app.pool).await?;
    let cluster = cluster::get(writing.connection(), &name).await?;
    caller.require(Action::Administer, Place::Cluster(&cluster.labels))?;
    let revoked = join_token::revoke_open(writing.connection(), cluster.id.into()).await?;
    if revoked == 0 {
        writing.abandon().await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    let detail = json!({ "revoked": revoked });
    let entry = Entry { actor: caller.actor, kind: "JoinTokensRevoked", subject: subject::<Clusters>(&name), detail };
    writing.commit(&entry).await?;
    Ok(StatusCode::NO_CONTENT)
}
