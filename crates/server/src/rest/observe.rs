//! One span and one count for each request.

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tracing::field::Empty;
use tracing::{Instrument as _, info_span};

use super::problem::Told;
use crate::app::App;

/// Opens the span `request.handle` and counts the answer. Paths are templates: names of things are no labels.
pub(crate) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = word(request.method());
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = info_span!("request.handle", method, path, status = Empty, code = Empty, actor = Empty);
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.record("status", status.as_u16());
    if let Some(Told { code, .. }) = response.extensions().get() {
        span.record("code", code.as_str());
        if let Some(limit) = code.limit() {
            app.metrics.limit_hits.with_label_values(&[limit]).inc();
        }
    }
    tracing::debug!(parent: &span, "request.handled");
    app.metrics.http_requests.with_label_values(&[method, status.as_str()]).inc();
    response
}

/// The method as a label: a caller may send any word, a metric has few.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
