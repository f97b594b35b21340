//! `GET /v1/caller`.

use axum::Json;
use lockstep_api::problem::Problem;
use lockstep_api::token;

use super::caller::Caller;

/// Show the caller
///
/// Whom the server takes the caller for, and what he may do; changes are recorded under this name.
#[utoipa::path(
    get,
    path = "/v1/caller",
    operation_id = "showCaller",
    tag = "history",
    responses(
        (status = 200, description = "The caller", body = token::Caller),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show_caller(caller: Caller) -> Json<token::Caller> {
    Json(token::Caller { access: caller.permissions.iter().map(Into::into).collect(), actor: caller.actor })
}
