//! `GET /v1/sources/{name}/policy`.

use axum::Json;
use axum::extract::State;
use lockstep_api::problem::Problem;
use lockstep_api::source::SourcePolicy;
use lockstep_core::access::{Action, Place};
use lockstep_store::StoreError;
use lockstep_vault::least_policy;

use super::bound;
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::name::Name;
use crate::rest::problem::ApiError;

/// Write a source's least policy
///
/// In HCL: what the server's credentials need to watch and read what is bound now, and no more.
#[utoipa::path(
    get,
    path = "/v1/sources/{name}/policy",
    operation_id = "showSourcePolicy",
    tag = "sources",
    params(("name" = String, Path, description = "The source's name")),
    responses(
        (status = 200, description = "The policy", body = SourcePolicy),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show_policy(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<Json<SourcePolicy>, ApiError> {
    // It names paths of all projects.
    caller.require(Action::Read, Place::Everything)?;
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let (_, secrets) = bound(&mut connection, &name).await?;
    Ok(Json(SourcePolicy { secrets: secrets.len() as u64, policy: least_policy(&secrets) }))
}
