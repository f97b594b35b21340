//! `POST /v1/rotations/{name}/pause`.

use lockstep_api::problem::Problem;

use super::Rotations;
use super::suspend::{Asked, go};
use crate::rest::problem::ApiError;
use crate::rest::query::WriteQuery;
use crate::rest::resource::answer::Answer;

/// Pause a rotation
///
/// No run begins by itself until it is resumed; one under way comes to its end. Due times that pass meanwhile are not made up for.
#[utoipa::path(
    post,
    path = "/v1/rotations/{name}/pause",
    operation_id = "pauseRotation",
    tag = "rotations",
    params(("name" = String, Path, description = "The rotation's name"), WriteQuery),
    responses(
        (status = 200, description = "The rotation as it is now", body = ref("#/components/schemas/Rotation"), headers(("lockstep-result" = String, description = "`configured` or `unchanged`"))),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn pause(asked: Asked) -> Result<Answer<Rotations>, ApiError> {
    go(true, asked).await
}
