//! `GET /v1/epoch`.

pub(crate) mod open;

use axum::Json;
use axum::extract::State;
use lockstep_api::change::Epoch;
use lockstep_api::problem::Problem;
use lockstep_core::access::{Action, Place};
use lockstep_store::{PgConnection, StoreError, cluster, registry};

use super::caller::Caller;
use super::problem::ApiError;
use crate::app::App;

/// Show the epoch
///
/// Where the history stands, and whether sending is held because it was cut.
#[utoipa::path(
    get,
    path = "/v1/epoch",
    operation_id = "showEpoch",
    tag = "history",
    responses(
        (status = 200, description = "The history as a whole", body = Epoch),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show_epoch(State(app): State<App>, caller: Caller) -> Result<Json<Epoch>, ApiError> {
    caller.require(Action::Read, Place::Shared)?;
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    read(&mut connection).await.map(Json)
}

async fn read(connection: &mut PgConnection) -> Result<Epoch, ApiError> {
    let registry = registry::get(connection).await?;
    let held_clusters = cluster::count_held(connection).await?;
    Ok(Epoch { epoch: registry.head.epoch.get(), seq: registry.head.seq.get(), held: registry.held, held_clusters })
}
