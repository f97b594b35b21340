//! `/metrics`, `/healthz` and `/readyz`.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use lockstep_telemetry::loops::{self, Stuck};
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::lease::Standing;
use crate::metrics::Metrics;

/// Listens, so that a taken port is found before the agent begins.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until the agent ends. Ready means linked, or ready to take over: an agent without a server still keeps what it has, and
/// is healthy.
pub(crate) async fn serve(
    listener: TcpListener,
    registry: Registry,
    shown: Metrics,
    standing: watch::Receiver<Standing>,
    stop: CancellationToken,
) {
    let metrics = move || async move {
        match TextEncoder::new().encode_to_string(&registry.gather()) {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    };
    let loops = shown.loops.clone();
    let healthy = move || async move { health(&loops.stuck(Instant::now())) };
    let ready = move || async move { readiness(&standing.borrow(), shown.connected.get() == 1) };
    let router = Router::new().route("/metrics", get(metrics)).route("/healthz", get(healthy)).route("/readyz", get(ready));
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "metrics are not served any more");
    }
}

/// An agent without a server, or without its API server, is healthy: it keeps what it has, and a restart would not help.
fn health(stuck: &[Stuck]) -> (StatusCode, String) {
    if stuck.is_empty() { (StatusCode::OK, "ok\n".to_owned()) } else { (StatusCode::SERVICE_UNAVAILABLE, loops::told(stuck)) }
}

fn readiness(standing: &Standing, linked: bool) -> (StatusCode, String) {
    match standing {
        Standing::Leader if linked => (StatusCode::OK, "linked\n".to_owned()),
        Standing::Leader => (StatusCode::SERVICE_UNAVAILABLE, "not linked to a server\n".to_owned()),
        Standing::Standby => {
            (StatusCode::OK, "standing by: another agent of this cluster leads, and this one takes over\n".to_owned())
        }
        Standing::Unknown(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not standing by: {why}\n")),
    }
}
