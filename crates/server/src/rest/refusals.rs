//! `GET /v1/refusals`, and how they are noted.

use axum::Json;
use axum::extract::{MatchedPath, OriginalUri, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use lockstep_api::manifest::List;
use lockstep_api::problem::Problem;
use lockstep_api::refusal::Refusal;
use lockstep_core::access::{Action, Place};
use lockstep_store::refusal::{self, Listed, Refused};
use lockstep_store::{PgPool, Result as StoreResult, StoreError, pool};
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::code::Code;
use super::problem::{ApiError, Told};
use super::query::{Params, check_limit};
use crate::app::App;

/// Of a path; names have at most 63.
const SUBJECT_MAX_CHARS: usize = 256;

/// Notes who was refused what: every lack of permission, and every write that broke a rule. What cannot be noted is refused all the same.
pub(crate) async fn note(
    State(app): State<App>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let template = request.extensions().get::<MatchedPath>().map_or_else(String::new, |path| path.as_str().to_owned());
    let subject: String = uri.path().chars().take(SUBJECT_MAX_CHARS).collect();
    let response = next.run(request).await;
    let Some(Told { code, detail }) = response.extensions().get::<Told>() else { return response };
    let reason = match code {
        Code::Forbidden => detail.as_str(),
        // The words of others may quote a body, and a body may hold anything.
        Code::InvalidManifest | Code::KeyTaken if method != Method::GET => code.title(),
        _ => return response,
    };
    let (actor, action) = (caller.actor.as_str(), format!("{method} {template}"));
    tracing::info!(actor, action, subject, code = code.as_str(), "request.refused");
    let refused = Refused { actor, action: &action, subject: &subject, code: code.as_str(), reason };
    if let Err(error) = write(&app.pool, refused).await {
        tracing::warn!(%error, "a refusal could not be noted");
    }
    response
}

async fn write(pool: &PgPool, refused: Refused<'_>) -> StoreResult<()> {
    let mut connection = pool::acquire(pool).await?;
    refusal::note(&mut connection, refused).await
}

/// Whose refusals.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RefusalQuery {
    /// Only those of this caller, such as `token:ci`.
    actor: Option<String>,
    /// At most this many items, 1 to 1000; 500 if absent.
    limit: Option<usize>,
}

/// List refusals
///
/// Who was refused what: each caller's attempt at the same thing once, with how often, the newest first. They are kept for 90 days after the
/// last time, and at most 10,000.
#[utoipa::path(
    get,
    path = "/v1/refusals",
    operation_id = "listRefusals",
    tag = "history",
    params(RefusalQuery),
    responses(
        (status = 200, description = "The newest", body = List<Refusal>),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_refusals(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<RefusalQuery>,
) -> Result<Json<List<Refusal>>, ApiError> {
    caller.require(Action::Audit, Place::Everything)?;
    let limit = check_limit(query.limit)?;
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let listed = refusal::list(&mut connection, query.actor.as_deref(), limit).await?;
    Ok(Json(List::page("Refusal", listed.into_iter().map(shown).collect(), None)))
}

fn shown(listed: Listed) -> Refusal {
    let Listed { actor, action, subject, code, reason, times, first_at, last_at } = listed;
    Refusal { actor, action, subject, code, reason, times: times.cast_unsigned(), first_at, last_at }
}
