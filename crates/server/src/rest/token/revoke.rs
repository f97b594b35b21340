//! `DELETE /v1/tokens/{name}`.

use axum::extract::State;
use axum::http::StatusCode;
use lockstep_api::problem::Problem;
use lockstep_core::access::{Action, Scope};
use lockstep_store::api_token;
use lockstep_store::change::{Entry, Writing};
use serde_json::{Value, json};

use crate::actor;
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::name::Name;
use crate::rest::problem::ApiError;

/// Revoke an API token
///
/// It is refused from the next request on, by every replica. Whoever has a token may revoke that one.
#[utoipa::path(
    delete,
    path = "/v1/tokens/{name}",
    operation_id = "revokeToken",
    tag = "tokens",
    params(("name" = String, Path, description = "The token's name")),
    responses(
        (status = 204, description = "It can be used no more"),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn revoke_token(State(app): State<App>, caller: Caller, Name(name): Name) -> Result<StatusCode, ApiError> {
    let is_own = caller.actor == actor::token(&name);
    if !is_own {
        caller.permissions.require_anywhere(Action::Administer)?;
    }
    let mut writing = Writing::begin(&app.pool).await?;
    let token = api_token::get(writing.connection(), &name).await?;
    if !is_own {
        token.permissions.iter().try_for_each(|access| caller.permissions.require_giving(&access.scope))?;
    }
    api_token::revoke(writing.connection(), &name).await?;
    let project = token.permissions.iter().find_map(|access| match &access.scope {
        Scope::Project(project) => Some(project),
        Scope::Everything | Scope::Clusters(_) => None,
    });
    let detail = project.map_or_else(|| Value::Object(serde_json::Map::new()), |project| json!({ "project": project }));
    let entry = Entry { actor: caller.actor, kind: "ApiTokenRevoked", subject: format!("token/{name}"), detail };
    writing.commit(&entry).await?;
    Ok(StatusCode::NO_CONTENT)
}
