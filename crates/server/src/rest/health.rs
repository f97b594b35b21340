//! `GET /healthz` and `GET /readyz`: for whoever restarts the process, and whoever sends it requests.

use axum::extract::State;
use lockstep_api::problem::Problem;
use lockstep_telemetry::loops;
use tokio::time::Instant;

use super::code::Code;
use super::problem::ApiError;
use crate::app::App;

/// Whether the process lives
///
/// It does not while one of its loops is stuck, which only a restart heals. What it depends on has no part in it.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "healthz",
    tag = "health",
    security(()),
    responses(
        (status = 200, description = "It does", body = String, content_type = "text/plain"),
        (status = 503, description = "A loop is stuck", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn healthz(State(app): State<App>) -> Result<&'static str, ApiError> {
    let stuck = app.metrics.loops.stuck(Instant::now());
    if stuck.is_empty() { Ok("ok\n") } else { Err(ApiError::new(Code::Stuck, loops::told(&stuck))) }
}

/// Whether this replica can serve
///
/// It can while it reaches the registry.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "health",
    security(()),
    responses(
        (status = 200, description = "It can", body = String, content_type = "text/plain"),
        (status = 503, description = "It cannot", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn readyz(State(app): State<App>) -> Result<&'static str, ApiError> {
    app.readiness.check().await.map_err(|why| ApiError::new(Code::RegistryUnavailable, why))?;
    Ok("ready\n")
}
