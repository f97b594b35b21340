//! `GET /v1/history/records`.

use axum::Json;
use axum::extract::State;
use lockstep_api::change::{HistoryHead, HistoryRecord, HistoryRecords};
use lockstep_api::problem::Problem;
use lockstep_core::access::{Action, Place};
use lockstep_core::revision::Seq;
use lockstep_store::{StoreError, change};
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::code::Code;
use super::problem::ApiError;
use super::query::{Params, check_limit};
use crate::app::App;

/// Which records.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RecordQuery {
    /// Only those after this change; from the first on, if absent.
    after: Option<u64>,
    /// At most this many items, 1 to 1000; 500 if absent.
    limit: Option<usize>,
}

/// Read the history as it was hashed
///
/// Every change in the order of their numbers, with the exact text that its hash is over, so that whoever does not trust this server can check the
/// chain. For auditors and administrators of everything: a chain of which something is left out cannot be checked.
#[utoipa::path(
    get,
    path = "/v1/history/records",
    operation_id = "listHistoryRecords",
    tag = "history",
    params(RecordQuery),
    responses(
        (status = 200, description = "The next records, oldest first", body = HistoryRecords),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_records(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<RecordQuery>,
) -> Result<Json<HistoryRecords>, ApiError> {
    caller.require(Action::Audit, Place::Everything)?;
    let limit = check_limit(query.limit)?;
    let after = query.after.unwrap_or_default();
    if i64::try_from(after).is_err() {
        return Err(ApiError::new(Code::InvalidQuery, "after: no change has such a number"));
    }
    let mut connection = app.pool.acquire().await.map_err(StoreError::from)?;
    let found = change::records(&mut connection, Seq::new(after), limit).await?;
    let head = HistoryHead { epoch: found.head.epoch.get(), seq: found.head.seq.get(), hash: found.head.hash.to_string() };
    Ok(Json(HistoryRecords { head, items: found.records.into_iter().map(shown).collect() }))
}

fn shown(record: change::Record) -> HistoryRecord {
    HistoryRecord {
        seq: record.seq.get(),
        epoch: record.epoch.get(),
        at: record.at,
        actor: record.actor,
        kind: record.kind,
        subject: record.subject,
        detail: record.detail,
        hash: record.hash.to_string(),
    }
}
