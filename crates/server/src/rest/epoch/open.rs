//! `POST /v1/epoch`.

use axum::Json;
use axum::extract::State;
use lockstep_api::change::{Epoch, OpenEpoch};
use lockstep_api::problem::Problem;
use lockstep_core::access::{Action, Place};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::{cluster, registry};
use serde_json::json;

use super::read;
use crate::app::App;
use crate::rest::body::Body;
use crate::rest::caller::Caller;
use crate::rest::problem::ApiError;

/// The longest reason.
const REASON_MAX_BYTES: usize = 1_024;

/// Open the next epoch
///
/// An operator's word, after the registry was restored from a backup, that it is right as it is now. Every hold ends, and all
/// clusters are sent what the registry says.
#[utoipa::path(
    post,
    path = "/v1/epoch",
    operation_id = "openEpoch",
    tag = "history",
    request_body = OpenEpoch,
    responses(
        (status = 200, description = "The history as a whole, in the new epoch", body = Epoch),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn open_epoch(State(app): State<App>, caller: Caller, body: Body) -> Result<Json<Epoch>, ApiError> {
    caller.require(Action::Administer, Place::Everything)?;
    let OpenEpoch { reason } = body.decode()?;
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > REASON_MAX_BYTES {
        let what = format!("say why, in up to {REASON_MAX_BYTES} bytes: it is kept in the history");
        return Err(ApiError::invalid_field("reason", what));
    }
    let mut writing = Writing::begin(&app.pool).await?;
    let before = read(writing.connection()).await?;
    writing.next_epoch().await?;
    registry::set_held(writing.connection(), None).await?;
    cluster::release_all(writing.connection()).await?;
    let after = read(writing.connection()).await?;
    let detail = json!({
        "reason": reason,
        "from": before.epoch,
        "to": after.epoch,
        "heldBecause": before.held,
        "clustersReleased": before.held_clusters,
    });
    let entry = Entry { actor: caller.actor, kind: "EpochOpened", subject: "registry".to_owned(), detail };
    writing.commit(&entry).await?;
    Ok(Json(after))
}
