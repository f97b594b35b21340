//! Accepting TLS connections with the configuration of the moment; handshakes and what is open are bounded in number and time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};

use crate::metrics::Metrics;
pub use open::{Cut, Info, Open};

mod open;

/// How long a handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// The pause after accepting failed: file descriptors are used up, and asking again at once does not give any.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What one listener takes.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Handshakes under way; more wait in the kernel's queue.
    pub handshakes: usize,
    /// Connections open, with those handshakes; more are closed at once.
    pub open: usize,
    /// How long a connection may be silent in both directions.
    pub silence: Duration,
}

/// A connection that was accepted.
pub type Connection = Open<TlsStream<TcpStream>>;

/// What a request on such a connection learns of it.
pub type ConnectionInfo = Info<TlsConnectInfo<TcpConnectInfo>>;

/// Connections whose handshake succeeded.
pub fn incoming(
    listener: TcpListener,
    config: impl Fn() -> Arc<ServerConfig> + Send + 'static,
    bounds: Bounds,
    metrics: Arc<Metrics>,
) -> ReceiverStream<io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        let handshakes = Arc::new(Semaphore::new(bounds.handshakes));
        let open = Arc::new(Semaphore::new(bounds.open));
        loop {
            let Ok(permit) = handshakes.clone().acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = sender.closed() => return,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    metrics.limit_hits.with_label_values(&["accept"]).inc();
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // Closed rather than left waiting: whoever holds the others open must not make new ones hang.
            let Ok(place) = open.clone().try_acquire_owned() else {
                metrics.limit_hits.with_label_values(&["connections"]).inc();
                continue;
            };
            let acceptor = TlsAcceptor::from(config());
            let sender = sender.clone();
            tokio::spawn(async move {
                let _permit = permit;
                // Acks are small and must not wait for each other.
                let _ = stream.set_nodelay(true);
                match tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let _ = sender.send(Ok(Open::new(stream, bounds.silence, place))).await;
                    }
                    // Scanners and load balancers' probes: no news, and the reason is the peer's affair.
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                }
            });
        }
    });
    ReceiverStream::new(receiver)
}

#[cfg(test)]
mod tests {
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::server::ResolvesServerCertUsingSni;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn connections_beyond_the_limit_are_closed_at_once_and_counted() {
        let config =
            ServerConfig::builder_with_provider(default_provider().into()).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new())));
        let metrics = Arc::new(Metrics::new(&lockstep_vault::Metrics::new()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let bounds = Bounds { handshakes: 8, open: 1, silence: Duration::from_secs(60) };
        let _incoming = incoming(listener, move || config.clone(), bounds, metrics.clone());
        let _first = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        assert_eq!(second.read(&mut [0; 8]).await.unwrap(), 0, "closed, while the first may still shake hands");
        assert_eq!(metrics.limit_hits.with_label_values(&["connections"]).get(), 1);
    }
}
