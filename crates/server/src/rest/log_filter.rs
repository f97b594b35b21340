//! `GET`, `PUT` and `DELETE /v1/logfilter`: what all replicas log, for a while.

use axum::Json;
use axum::extract::State;
use lockstep_api::log_filter::{LogFilter, SetLogFilter};
use lockstep_api::problem::Problem;
use lockstep_core::access::{Action, Place};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::{PgConnection, log_filter, pool};
use serde_json::{Value, json};

use super::body::Body;
use super::caller::Caller;
use super::problem::ApiError;
use crate::app::App;
use crate::logging;

/// How long it is for, if that is not said, and at most.
const SECONDS_DEFAULT: u32 = 3_600;
const SECONDS_MAX: u32 = 86_400;
/// The longest filter.
const FILTER_MAX_BYTES: usize = 500;

/// Show what is logged
#[utoipa::path(
    get,
    path = "/v1/logfilter",
    operation_id = "showLogFilter",
    tag = "state",
    responses(
        (status = 200, description = "What is logged", body = LogFilter),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show_log_filter(State(app): State<App>, caller: Caller) -> Result<Json<LogFilter>, ApiError> {
    caller.require(Action::Administer, Place::Everything)?;
    let mut connection = pool::acquire(&app.pool).await?;
    read(&app, &mut connection).await.map(Json)
}

/// Log something else for a while
///
/// On every replica, within ten seconds. It ends by itself. What libraries say of frames and bodies stays out of the log, whatever is asked.
#[utoipa::path(
    put,
    path = "/v1/logfilter",
    operation_id = "setLogFilter",
    tag = "state",
    request_body = SetLogFilter,
    responses(
        (status = 200, description = "What is logged", body = LogFilter),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn set_log_filter(State(app): State<App>, caller: Caller, body: Body) -> Result<Json<LogFilter>, ApiError> {
    caller.require(Action::Administer, Place::Everything)?;
    let SetLogFilter { filter, seconds } = body.decode()?;
    if filter.is_empty() || filter.len() > FILTER_MAX_BYTES {
        return Err(ApiError::invalid_field("filter", format!("use 1 to {FILTER_MAX_BYTES} bytes")));
    }
    logging::parse(&filter)
        .map_err(|e| ApiError::invalid_field("filter", format!("{e}: such as info,lockstep_server::watch=debug")))?;
    let seconds = seconds.unwrap_or(SECONDS_DEFAULT);
    if !(1..=SECONDS_MAX).contains(&seconds) {
        return Err(ApiError::invalid_field("seconds", format!("use 1 to {SECONDS_MAX}")));
    }
    write(&app, caller, json!({ "filter": filter, "seconds": seconds })).await.map(Json)
}

/// Log what was configured
#[utoipa::path(
    delete,
    path = "/v1/logfilter",
    operation_id = "resetLogFilter",
    tag = "state",
    responses(
        (status = 200, description = "What is logged", body = LogFilter),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn reset_log_filter(State(app): State<App>, caller: Caller) -> Result<Json<LogFilter>, ApiError> {
    caller.require(Action::Administer, Place::Everything)?;
    write(&app, caller, json!({})).await.map(Json)
}

async fn write(app: &App, caller: Caller, detail: Value) -> Result<LogFilter, ApiError> {
    let writing = Writing::begin(&app.pool).await?;
    let entry = Entry { actor: caller.actor, kind: log_filter::SET, subject: log_filter::SUBJECT.to_owned(), detail };
    writing.commit(&entry).await?;
    let mut connection = pool::acquire(&app.pool).await?;
    let shown = read(app, &mut connection).await?;
    app.logs.activate(shown.filter.as_deref());
    Ok(shown)
}

async fn read(app: &App, connection: &mut PgConnection) -> Result<LogFilter, ApiError> {
    let configured = app.logs.configured().to_owned();
    Ok(match log_filter::wanted(connection).await? {
        Some(wanted) => {
            LogFilter { configured, filter: Some(wanted.filter), until: Some(wanted.until), actor: Some(wanted.actor) }
        }
        None => LogFilter { configured, filter: None, until: None, actor: None },
    })
}
