//! The agents' listener: one stream of each cluster, of which this replica serves some.

use std::sync::Arc;

use lockstep_core::digest::RootKey;
use lockstep_proto::MESSAGE_MAX_BYTES;
use lockstep_proto::v1::agent_server::AgentServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::app::App;
use crate::gateway::listener::Bounds;
use crate::reports::Reports;
use crate::tls::Tls;

mod admission;
mod heartbeat;
mod ledger;
pub mod listener;
mod message;
mod prepare;
mod purging;
mod renewal;
mod service;
mod session;
mod sessions;
mod sinks;

pub use heartbeat::keep as keep_sessions;
pub use sessions::{Command, Sessions};

/// What every session needs.
#[derive(Clone)]
pub struct Gateway {
    /// The replica's shared parts.
    pub app: App,
    /// The sessions on this replica.
    pub sessions: Arc<Sessions>,
    /// Where they leave their reports.
    pub reports: Reports,
    /// The root of the digests' keys.
    pub digests: Arc<RootKey>,
    /// Says when to drain.
    pub stop: CancellationToken,
}

/// Handshakes under way: after a restart all agents come at once.
const HANDSHAKES_MAX: usize = 256;
/// HTTP/2 keepalive: half-open links are found also where no heartbeat of ours is due.
const KEEPALIVE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Serves agents until told to stop; then they are asked to dial another replica.
pub async fn serve(gateway: Gateway, listener: TcpListener, tls: Arc<Tls>) -> anyhow::Result<()> {
    let stop = gateway.stop.clone();
    let bounds = Bounds {
        handshakes: HANDSHAKES_MAX,
        // One that is too many is told to dial another replica: for that it has to be let in.
        open: gateway.app.config.agents.streams + HANDSHAKES_MAX,
        silence: KEEPALIVE_INTERVAL * 3,
    };
    let incoming = listener::incoming(listener, move || tls.mutual(), bounds, gateway.app.metrics.clone());
    let service = AgentServer::new(service::Service::new(gateway))
        .max_decoding_message_size(MESSAGE_MAX_BYTES)
        .max_encoding_message_size(MESSAGE_MAX_BYTES);
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_concurrent_streams(4)
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, async move { stop.cancelled().await })
        .await?;
    Ok(())
}
