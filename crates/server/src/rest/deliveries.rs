//! `GET /v1/deliveries`.

pub(super) mod shown;

use axum::Json;
use axum::extract::State;
use lockstep_api::delivery::Delivery;
use lockstep_api::manifest::List;
use lockstep_api::problem::Problem;
use lockstep_core::access::Action;
use lockstep_core::delivery::DeliveryStatus;
use lockstep_store::StoreError;
use lockstep_store::delivery::{self, Filter};
use lockstep_store::page::Page;
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::code::Code;
use super::problem::ApiError;
use super::query::{Params, page};
use crate::app::App;
use shown::shown;

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryQuery {
    /// Only those to this cluster.
    cluster: Option<String>,
    /// Only those of this binding.
    binding: Option<String>,
    /// Only those in this status, such as `Failed`.
    status: Option<String>,
    /// Only those of bindings of this project.
    project: Option<String>,
    /// At most this many items, 1 to 1000; 500 if absent.
    limit: Option<usize>,
    /// `metadata.continue` of the page before.
    #[serde(rename = "continue")]
    continue_from: Option<String>,
}

/// List deliveries
///
/// How each placement stands: who has which version, and where not, why and what to do.
#[utoipa::path(
    get,
    path = "/v1/deliveries",
    operation_id = "listDeliveries",
    tag = "state",
    params(DeliveryQuery),
    responses(
        (status = 200, description = "One page, by cluster and binding", body = List<Delivery>),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_deliveries(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<DeliveryQuery>,
) -> Result<Json<List<Delivery>>, ApiError> {
    let status = query.status.as_deref().map(str::parse::<DeliveryStatus>).transpose();
    let status = status.map_err(|e| ApiError::new(Code::InvalidQuery, format!("status: {e}")))?;
    let page = Page { reach: caller.reach(Action::Read)?, ..page(query.limit, query.continue_from)? };
    let filter = Filter {
        cluster: query.cluster.as_deref(),
        binding: query.binding.as_deref(),
        status,
        project: query.project.as_deref(),
    };
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let (deliveries, next) = delivery::list(&mut connection, filter, &page).await?;
    Ok(Json(List::page("Delivery", deliveries.into_iter().map(shown).collect(), next)))
}
