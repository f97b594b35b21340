//! `POST /v1/clusters/{name}/resume`.

use lockstep_api::problem::Problem;

use super::Clusters;
use super::life::{Asked, Move, go};
use crate::rest::problem::ApiError;
use crate::rest::query::WriteQuery;
use crate::rest::resource::answer::Answer;

/// Resume a paused cluster
///
/// It is sent what changed in the meantime. Resuming a cluster that is not paused changes nothing.
#[utoipa::path(
    post,
    path = "/v1/clusters/{name}/resume",
    operation_id = "resumeCluster",
    tag = "clusters",
    params(("name" = String, Path, description = "The cluster's name"), WriteQuery),
    responses(
        (status = 200, description = "The cluster as it is now", body = ref("#/components/schemas/Cluster"), headers(("lockstep-result" = String, description = "`configured` or `unchanged`"))),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn resume(asked: Asked) -> Result<Answer<Clusters>, ApiError> {
    go(Move::Resume, asked).await
}
