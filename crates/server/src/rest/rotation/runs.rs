//! `GET /v1/rotations/{name}/runs`.

use axum::Json;
use axum::extract::State;
use lockstep_api::manifest::List;
use lockstep_api::problem::Problem;
use lockstep_api::rotation::RotationRun;
use lockstep_core::access::{Action, Place};
use lockstep_store::{StoreError, rotation, rotation_run};
use serde::Deserialize;
use utoipa::IntoParams;

use super::status::shown;
use crate::app::App;
use crate::rest::caller::Caller;
use crate::rest::name::Name;
use crate::rest::problem::ApiError;
use crate::rest::query::{Params, page};

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunQuery {
    /// At most this many items, 1 to 1000; 500 if absent.
    limit: Option<usize>,
    /// `metadata.continue` of the page before.
    #[serde(rename = "continue")]
    continue_from: Option<String>,
}

/// List a rotation's runs
///
/// The newest first, with each stage and when it was entered.
#[utoipa::path(
    get,
    path = "/v1/rotations/{name}/runs",
    operation_id = "listRotationRuns",
    tag = "rotations",
    params(("name" = String, Path, description = "The rotation's name"), RunQuery),
    responses(
        (status = 200, description = "One page, newest first", body = List<RotationRun>),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_runs(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    Params(query): Params<RunQuery>,
) -> Result<Json<List<RotationRun>>, ApiError> {
    caller.permissions.require_anywhere(Action::Read)?;
    let page = page(query.limit, query.continue_from)?;
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let found = rotation::get(&mut connection, &name).await?;
    if !caller.permissions.allow(Action::Read, Place::Project(&found.spec.project)) {
        return Err(StoreError::NotFound { kind: "rotation", name }.into());
    }
    let (runs, next) = rotation_run::list(&mut connection, found.id.into(), &page).await?;
    let runs = runs.iter().map(|run| shown(run, &found.spec.spec.kind)).collect();
    Ok(Json(List::page("RotationRun", runs, next)))
}
