//! `GET /v1/changes`.

use axum::Json;
use axum::extract::State;
use lockstep_api::change::Change;
use lockstep_api::manifest::List;
use lockstep_api::problem::Problem;
use lockstep_core::access::Action;
use lockstep_core::revision::Seq;
use lockstep_store::page::Page;
use lockstep_store::{StoreError, change};
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::code::Code;
use super::problem::ApiError;
use super::query::{Params, page};
use crate::app::App;

/// Which changes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangeQuery {
    /// Only those to this, such as `binding/checkout-db`.
    subject: Option<String>,
    /// At most this many items, 1 to 1000; 500 if absent.
    limit: Option<usize>,
    /// `metadata.continue` of the page before.
    #[serde(rename = "continue")]
    continue_from: Option<String>,
}

/// List changes
///
/// The history, newest first: every change, who made it, and the hash that chains it to the one before.
#[utoipa::path(
    get,
    path = "/v1/changes",
    operation_id = "listChanges",
    tag = "history",
    params(ChangeQuery),
    responses(
        (status = 200, description = "One page, newest first", body = List<Change>),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_changes(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ChangeQuery>,
) -> Result<Json<List<Change>>, ApiError> {
    let page = Page { reach: caller.reach(Action::Audit)?, ..page(query.limit, None)? };
    // What Postgres counts with ends at half of what a u64 holds.
    let before = query.continue_from.map(|c| c.parse::<u64>().ok().filter(|seq| i64::try_from(*seq).is_ok()));
    if before == Some(None) {
        return Err(ApiError::new(Code::InvalidQuery, "continue: not of this list: begin again without it"));
    }
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let (changes, next) = change::list(&mut connection, query.subject.as_deref(), before.flatten().map(Seq::new), &page).await?;
    Ok(Json(List::page("Change", changes.into_iter().map(shown).collect(), next)))
}

fn shown(change: change::Change) -> Change {
    Change {
        seq: change.mark.seq.get(),
        epoch: change.mark.epoch.get(),
        at: change.at,
        actor: change.actor,
        kind: change.kind,
        subject: change.subject,
        detail: change.detail,
        hash: change.mark.hash.to_string(),
    }
}
