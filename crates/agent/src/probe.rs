//! `/metrics`, `/healthz` and `/readyz`.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use prometheus::{IntGauge, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Listens, so that a taken port is found before the agent begins.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until the agent ends. Ready means linked: an agent without a server still keeps what it has, and is healthy.
pub(crate) async fn serve(listener: TcpListener, registry: Registry, connected: IntGauge, stop: CancellationToken) {
    let metrics = move || async move {
        match TextEncoder::new().encode_to_string(&registry.gather()) {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    };
    let ready = move || async move {
        if connected.get() == 1 {
            (StatusCode::OK, "linked\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not linked to a server\n")
        }
    };
    let router =
        Router::new().route("/metrics", get(metrics)).route("/healthz", get(async || "ok\n")).route("/readyz", get(ready));
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "metrics are not served any more");
    }
}
