//! `POST /v1/clusters/{name}/pause`.

use lockstep_api::problem::Problem;

use super::Clusters;
use super::life::{Asked, Move, go};
use crate::rest::problem::ApiError;
use crate::rest::query::WriteQuery;
use crate::rest::resource::answer::Answer;

/// Pause a cluster
///
/// Nothing is sent to it until it is resumed; what it holds stays. Pausing a paused cluster changes nothing.
#[utoipa::path(
    post,
    path = "/v1/clusters/{name}/pause",
    operation_id = "pauseCluster",
    tag = "clusters",
    params(("name" = String, Path, description = "The cluster's name"), WriteQuery),
    responses(
        (status = 200, description = "The cluster as it is now", body = ref("#/components/schemas/Cluster"), headers(("lockstep-result" = String, description = "`configured` or `unchanged`"))),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn pause(asked: Asked) -> Result<Answer<Clusters>, ApiError> {
    go(Move::Pause, asked).await
}
