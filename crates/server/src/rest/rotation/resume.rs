//! `POST /v1/rotations/{name}/resume`.

use lockstep_api::problem::Problem;

use super::Rotations;
use super::suspend::{Asked, go};
use crate::rest::problem::ApiError;
use crate::rest::query::WriteQuery;
use crate::rest::resource::answer::Answer;

/// Resume a rotation
///
/// Its runs begin by themselves again, from the next due time on.
#[utoipa::path(
    post,
    path = "/v1/rotations/{name}/resume",
    operation_id = "resumeRotation",
    tag = "rotations",
    params(("name" = String, Path, description = "The rotation's name"), WriteQuery),
    responses(
        (status = 200, description = "The rotation as it is now", body = ref("#/components/schemas/Rotation"), headers(("lockstep-result" = String, description = "`configured` or `unchanged`"))),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn resume(asked: Asked) -> Result<Answer<Rotations>, ApiError> {
    go(false, asked).await
}
