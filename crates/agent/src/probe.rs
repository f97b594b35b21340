//! `/metrics`, `/healthz` and `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use lockstep_telemetry::loops::{self, Stuck};
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::lease::Standing;
use crate::metrics::Metrics;
use crate::volumes::Handover;

/// What is told of.
pub(crate) struct Shown {
    /// Whether it is linked, and which loops turn.
    pub(crate) metrics: Metrics,
    /// How it stands to the Lease.
    pub(crate) standing: watch::Receiver<Standing>,
    /// Whether it has what it should take over.
    pub(crate) handover: watch::Receiver<Handover>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
}

/// Listens, so that a taken port is found before the agent begins.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until the agent ends. Ready means linked, or ready to take over: an agent without a server still keeps what it has, and
/// is healthy.
pub(crate) async fn serve(listener: TcpListener, registry: Registry, shown: Shown, stop: CancellationToken) {
    let metrics = move || async move {
        match TextEncoder::new().encode_to_string(&registry.gather()) {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    };
    let Shown { metrics: Metrics { loops, connected, .. }, standing, handover, clock } = shown;
    let healthy = move || async move { health(&loops.stuck(Instant::now())) };
    let ready =
        move || async move { readiness(&standing.borrow(), connected.get() == 1, handover.borrow().lacks(clock.uptime())) };
    let router = Router::new().route("/metrics", get(metrics)).route("/healthz", get(healthy)).route("/readyz", get(ready));
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "metrics are not served any more");
    }
}

/// An agent without a server, or without its API server, is healthy: it keeps what it has, and a restart would not help.
fn health(stuck: &[Stuck]) -> (StatusCode, String) {
    if stuck.is_empty() { (StatusCode::OK, "ok\n".to_owned()) } else { (StatusCode::SERVICE_UNAVAILABLE, loops::told(stuck)) }
}

/// `lacks`: why a replica that stands by does not have yet what it should take over.
fn readiness(standing: &Standing, linked: bool, lacks: Option<&str>) -> (StatusCode, String) {
    match (standing, lacks) {
        (Standing::Leader, _) if linked => (StatusCode::OK, "linked\n".to_owned()),
        (Standing::Leader, _) => (StatusCode::SERVICE_UNAVAILABLE, "not linked to a server\n".to_owned()),
        (Standing::Standby, None) => {
            (StatusCode::OK, "standing by: another agent of this cluster leads, and this one takes over\n".to_owned())
        }
        (Standing::Standby, Some(why)) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("standing by, and does not have yet what pods may mount: {why}\n"))
        }
        (Standing::Unknown(why), _) => (StatusCode::SERVICE_UNAVAILABLE, format!("not standing by: {why}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_who_is_linked_or_could_take_over_with_what_pods_may_mount() {
        let unknown = Standing::Unknown("no Lease".to_owned());
        for (standing, linked, lacks, code, part) in [
            (&Standing::Leader, true, None, 200, "linked"),
            // It works: what it once waited for is in its own cache.
            (&Standing::Leader, true, Some("why"), 200, "linked"),
            (&Standing::Leader, false, None, 503, "not linked to a server"),
            (&Standing::Standby, false, None, 200, "standing by: another agent"),
            (&Standing::Standby, false, Some("nobody works"), 503, "does not have yet what pods may mount: nobody works"),
            (&unknown, false, None, 503, "not standing by: no Lease"),
            (&unknown, false, Some("why"), 503, "not standing by: no Lease"),
        ] {
            let (found, text) = readiness(standing, linked, lacks);
            assert!(
                found == code && text.contains(part) && text.ends_with('\n'),
                "{standing:?} {linked} {lacks:?}: {found} {text}"
            );
        }
    }
}
