//! `GET /v1/changes`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use lockstep_api::change::Change;
use lockstep_api::manifest::List;
use lockstep_api::problem::Problem;
use lockstep_core::access::Action;
use lockstep_core::revision::Seq;
use lockstep_store::change::Filter;
use lockstep_store::page::Page;
use lockstep_store::secret::Said;
use lockstep_store::{StoreError, change};
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::code::Code;
use super::meant;
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
    /// Only those by this actor, such as `token:ci` or `oidc:github:octocat`.
    actor: Option<String>,
    /// Only those of this kind, such as `BindingWritten`.
    kind: Option<String>,
    /// Only those to this cluster, or whose detail names it.
    cluster: Option<String>,
    /// Only those that concern this secret, as `PATH`, `MOUNT/PATH` or `SOURCE/MOUNT/PATH`: versions of it that were seen, bindings and rotations
    /// written with it, and what was done to bindings that use it now.
    secret: Option<String>,
    /// Only those of the last so many seconds.
    since_seconds: Option<u32>,
    /// Only those after the change of this number.
    after: Option<u64>,
    /// At most this many items, 1 to 1000; 500 if absent. With a filter a page may have fewer, or none, and say where to go on.
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
    let before = seq("continue", query.continue_from.map(|c| c.parse().unwrap_or(NO_CHANGE)))?;
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let secret = match &query.secret {
        Some(text) => Some(meant::secret(&mut connection, Said { text, source: None, mount: None }, &page.reach).await?),
        None => None,
    };
    let filter = Filter {
        subject: query.subject.as_deref(),
        actor: query.actor.as_deref(),
        kind: query.kind.as_deref(),
        cluster: query.cluster.as_deref(),
        secret: secret.map(|secret| secret.record.id),
        since: query.since_seconds.map(|seconds| Duration::from_secs(seconds.into())),
        after: seq("after", query.after)?,
        before,
    };
    let (changes, next) = change::list(&mut connection, filter, &page).await?;
    Ok(Json(List::page("Change", changes.into_iter().map(shown).collect(), next)))
}

/// What Postgres counts with ends at half of what a u64 holds: no change has this number.
const NO_CHANGE: u64 = u64::MAX;

fn seq(parameter: &str, given: Option<u64>) -> Result<Option<Seq>, ApiError> {
    match given {
        None => Ok(None),
        Some(seq) if i64::try_from(seq).is_ok() => Ok(Some(Seq::new(seq))),
        Some(_) => Err(ApiError::new(Code::InvalidQuery, format!("{parameter}: not of this list: begin again without it"))),
    }
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
