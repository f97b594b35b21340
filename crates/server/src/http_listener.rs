//! Serving an HTTP router, over TLS with the certificate of the moment or plain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::gateway::listener::{Bounds, Connection, incoming};
use crate::rest::Peer;
use crate::tls::Tls;

/// More open than requests are served at once: browsers and proxies keep some for later. A request may take 25 s without a byte.
const BOUNDS: Bounds = Bounds { handshakes: 256, open: 1_024, silence: Duration::from_secs(60) };

/// Connections whose TLS handshake succeeded, as axum wants them.
struct TlsListener {
    connections: ReceiverStream<std::io::Result<Connection>>,
    address: SocketAddr,
}

impl Listener for TlsListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.connections.next().await {
                Some(Ok(stream)) => {
                    let peer = stream.get_ref().get_ref().0.peer_addr();
                    return (stream, peer.unwrap_or(self.address));
                }
                Some(Err(_)) => {}
                // The accepting task has ended, so the replica is stopping.
                None => std::future::pending().await,
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        Self(stream.remote_addr().ip())
    }
}

/// Serves over TLS until told to stop.
pub async fn serve_tls(
    app: App,
    router: Router,
    listener: TcpListener,
    tls: Arc<Tls>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let connections = incoming(listener, move || tls.rest(), BOUNDS, app.metrics.clone());
    let stopped = async move { stop.cancelled().await };
    let service = router.into_make_service_with_connect_info::<Peer>();
    Ok(axum::serve(TlsListener { connections, address }, service).with_graceful_shutdown(stopped).await?)
}

/// Serves without TLS until told to stop.
pub async fn serve_plain(router: Router, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
    Ok(axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await }).await?)
}
