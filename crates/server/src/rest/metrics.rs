//! `GET /metrics`, on the plain listener only.

use axum::extract::State;
use axum::http::{HeaderName, header};

use super::problem::ApiError;
use crate::app::App;

/// Prometheus' text format, version 0.0.4.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What this replica counts.
pub(crate) async fn metrics(State(app): State<App>) -> Result<([(HeaderName, &'static str); 1], String), ApiError> {
    let text = app.metrics.text().map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, TEXT_FORMAT)], text))
}
