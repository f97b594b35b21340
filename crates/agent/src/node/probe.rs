//! `/metrics`, `/healthz` and `/readyz` of a node agent.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::agents::Agents;

/// Serves until the node agent ends. It is healthy as long as it answers: without an agent it mounts nothing, and a restart would not help. It is
/// ready once it has what it needs to ask one.
pub(super) async fn serve(listener: TcpListener, registry: Registry, agents: Arc<Agents>, stop: CancellationToken) {
    let metrics = move || async move {
        match TextEncoder::new().encode_to_string(&registry.gather()) {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    };
    let ready = move || {
        let agents = agents.clone();
        async move {
            match agents.ready().await {
                Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
                Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            }
        }
    };
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { (StatusCode::OK, "ok\n") }))
        .route("/readyz", get(ready));
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "metrics are not served any more");
    }
}
