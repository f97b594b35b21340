//! `GET /v1/secrets`.

use axum::Json;
use axum::extract::State;
use lockstep_api::manifest::List;
use lockstep_api::problem::Problem;
use lockstep_api::secret::Secret;
use lockstep_core::access::Action;
use lockstep_core::version::Incarnation;
use lockstep_store::StoreError;
use lockstep_store::page::Page;
use lockstep_store::secret::{self, Listed};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::caller::Caller;
use super::code::Code;
use super::problem::ApiError;
use super::query::{Params, page};
use crate::app::App;

/// Which secrets.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SecretQuery {
    /// Only those of this source.
    source: Option<String>,
    /// At most this many items, 1 to 1000; 500 if absent.
    limit: Option<usize>,
    /// `metadata.continue` of the page before.
    #[serde(rename = "continue")]
    continue_from: Option<String>,
}

/// List secrets
///
/// What the registry knows of the secrets that bindings use: metadata, never material.
#[utoipa::path(
    get,
    path = "/v1/secrets",
    operation_id = "listSecrets",
    tag = "state",
    params(SecretQuery),
    responses(
        (status = 200, description = "One page", body = List<Secret>),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_secrets(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<SecretQuery>,
) -> Result<Json<List<Secret>>, ApiError> {
    if query.continue_from.as_ref().is_some_and(|c| c.parse::<Uuid>().is_err()) {
        return Err(ApiError::new(Code::InvalidQuery, "continue: not of this list: begin again without it"));
    }
    let page = Page { reach: caller.reach(Action::Read)?, ..page(query.limit, query.continue_from)? };
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let (secrets, next) = secret::list(&mut connection, query.source.as_deref(), &page).await?;
    Ok(Json(List::page("Secret", secrets.into_iter().map(shown).collect(), next)))
}

pub(super) fn shown(listed: Listed) -> Secret {
    let Listed { source, record, bindings } = listed;
    let delivered = record.known.chosen;
    Secret {
        uid: record.id.uuid(),
        source,
        engine: record.engine.as_str().to_owned(),
        mount: record.mount.to_string(),
        path: record.path.to_string(),
        state: record.known.state.as_str().to_owned(),
        version: delivered.map(|v| v.id.number.get()),
        version_created_at: delivered.map(|v| v.created),
        incarnation: delivered.map(|v| v.id.incarnation).filter(|i| *i != Incarnation::COUNTED).map(|i| i.0),
        bindings,
    }
}
