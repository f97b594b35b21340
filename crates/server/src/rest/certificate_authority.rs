//! `GET /v1/certificateauthority`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use lockstep_api::certificate_authority::CertificateAuthority;
use lockstep_api::problem::Problem;
use lockstep_core::access::{Action, Place};
use lockstep_store::{StoreError, trust};

use super::caller::Caller;
use super::problem::ApiError;
use crate::app::App;
use standing::Standing;

mod standing;

const DAY: Duration = Duration::from_hours(24);

/// Show the CA
///
/// Which roots are trusted and which signs, who has each of them, whose certificates chain to it, and whether a rotation may go on.
#[utoipa::path(
    get,
    path = "/v1/certificateauthority",
    operation_id = "showCertificateAuthority",
    tag = "state",
    responses(
        (status = 200, description = "The CA, as this replica sees it", body = CertificateAuthority),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show_certificate_authority(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<CertificateAuthority>, ApiError> {
    // It names clusters of all projects.
    caller.require(Action::Read, Place::Everything)?;
    let mut roots = app.authority.trust().roots.clone();
    roots.sort_by_key(|root| root.not_before);
    let keys: Vec<_> = roots.iter().map(|root| root.key.clone()).collect();
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let replicas = trust::replicas(&mut connection).await?;
    let grace = DAY * app.config.agents.renewal_grace_days;
    let (agents, counted) = trust::count_agents(&mut connection, &keys, grace).await?;
    Ok(Json(Standing { roots: &roots, counted: &counted, replicas: &replicas, agents }.show()))
}
