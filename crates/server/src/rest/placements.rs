//! `GET /v1/placements`.

use axum::Json;
use axum::extract::State;
use lockstep_api::delivery::Placement;
use lockstep_api::manifest::List;
use lockstep_api::problem::Problem;
use lockstep_core::access::Action;
use lockstep_store::StoreError;
use lockstep_store::page::Page;
use lockstep_store::placement::{self, Listed};
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::problem::ApiError;
use super::query::{Params, page};
use crate::app::App;

/// Which placements.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlacementQuery {
    /// Only those in this cluster.
    cluster: Option<String>,
    /// Only those of this binding.
    binding: Option<String>,
    /// At most this many items, 1 to 1000; 500 if absent.
    limit: Option<usize>,
    /// `metadata.continue` of the page before.
    #[serde(rename = "continue")]
    continue_from: Option<String>,
}

/// List placements
///
/// The planner's answers: which binding is to be in which cluster, and where not, why.
#[utoipa::path(
    get,
    path = "/v1/placements",
    operation_id = "listPlacements",
    tag = "state",
    params(PlacementQuery),
    responses(
        (status = 200, description = "One page, by cluster and binding", body = List<Placement>),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_placements(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<PlacementQuery>,
) -> Result<Json<List<Placement>>, ApiError> {
    let page = Page { reach: caller.reach(Action::Read)?, ..page(query.limit, query.continue_from)? };
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let (placements, next) = placement::list(&mut connection, query.cluster.as_deref(), query.binding.as_deref(), &page).await?;
    Ok(Json(List::page("Placement", placements.into_iter().map(shown).collect(), next)))
}

fn shown(listed: Listed) -> Placement {
    Placement {
        cluster: listed.cluster,
        binding: listed.binding,
        answer: listed.answer.to_owned(),
        reason: listed.reason,
        seq: listed.seq.get(),
    }
}
