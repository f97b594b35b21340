//! Accepting node agents' connections with TLS: handshakes and what is open are bounded in number and time.

mod open;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;

use crate::loops::VOLUMES;
use crate::metrics::Metrics;
use open::Open;

/// How long a handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// The pause after accepting failed: file descriptors are used up, and asking again at once does not give any.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often it turns while nobody comes.
const TURN_INTERVAL: Duration = Duration::from_secs(10);

/// What it takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Handshakes under way; more wait in the kernel's queue.
    pub(super) handshakes: usize,
    /// Connections open, with those handshakes; more are closed at once.
    pub(super) open: usize,
    /// How long a connection may be silent in both directions.
    pub(super) silence: Duration,
}

/// As they come.
pub(super) type Incoming = ReceiverStream<io::Result<Open<TlsStream<TcpStream>>>>;

/// Connections whose handshake succeeded; accepting ends when nobody takes them any more, and then [`VOLUMES`] turns no more.
pub(super) fn incoming(listener: TcpListener, config: Arc<ServerConfig>, bounds: Bounds, metrics: Metrics) -> Incoming {
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        let (handshakes, open) = (Arc::new(Semaphore::new(bounds.handshakes)), Arc::new(Semaphore::new(bounds.open)));
        let acceptor = TlsAcceptor::from(config);
        loop {
            VOLUMES.turned(&metrics);
            let Ok(permit) = handshakes.clone().acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = sender.closed() => return,
                () = tokio::time::sleep(TURN_INTERVAL) => continue,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a node agent's connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // Closed rather than left waiting: whoever holds the others open must not make new ones hang.
            let Ok(place) = open.clone().try_acquire_owned() else {
                tracing::debug!("more connections of node agents than there may be");
                continue;
            };
            let (acceptor, sender) = (acceptor.clone(), sender.clone());
            tokio::spawn(async move {
                let _permit = permit;
                let _ = stream.set_nodelay(true);
                match tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let _ = sender.send(Ok(Open::new(stream, bounds.silence, place))).await;
                    }
                    // Probes and scanners: no news, and the reason is the peer's affair.
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake of a node agent failed"),
                    Err(_) => tracing::debug!("a TLS handshake of a node agent took too long"),
                }
            });
        }
    });
    ReceiverStream::new(receiver)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use prometheus::Registry;
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::server::ResolvesServerCertUsingSni;
    use tokio::io::AsyncReadExt as _;
    use tokio::time::Instant;

    use super::*;
    use crate::clock::SystemClock;

    async fn listening(open: usize) -> (Incoming, SocketAddr, Metrics) {
        let config = ServerConfig::builder_with_provider(default_provider().into());
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = Arc::new(config.with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Metrics::register(&Registry::new(), Arc::new(SystemClock::start())).unwrap();
        let bounds = Bounds { handshakes: 8, open, silence: Duration::from_secs(60) };
        (incoming(listener, config, bounds, metrics.clone()), address, metrics)
    }

    /// Those that will be stuck then.
    fn stuck(metrics: &Metrics, at: Instant) -> Vec<String> {
        metrics.loops.stuck(at).into_iter().map(|stuck| stuck.name).collect()
    }

    #[tokio::test]
    async fn a_listener_that_ended_is_stuck_and_one_that_accepts_is_not() {
        let limit = Duration::from_secs(30) + VOLUMES.step_limit();
        let (incoming, address, metrics) = listening(8).await;
        let _judged = VOLUMES.begin(&metrics);
        let began = Instant::now();
        let turned = async {
            let _open = TcpStream::connect(address).await.unwrap();
            while !stuck(&metrics, began + limit).is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), turned).await.expect("it turns with what it accepts");
        drop(incoming);
        let ended = async { while TcpStream::connect(address).await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it ends when nobody serves");
        assert_eq!(stuck(&metrics, Instant::now() + limit), ["volumes"]);
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_are_closed_at_once_and_a_place_that_is_free_is_taken() {
        let (_incoming, address, _metrics) = listening(1).await;
        let first = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        assert_eq!(second.read(&mut [0; 8]).await.unwrap(), 0, "closed, while the first may still shake hands");
        drop(first);
        // Its place is free once its end was seen.
        let looking = async {
            loop {
                let mut next = TcpStream::connect(address).await.unwrap();
                let read = tokio::time::timeout(Duration::from_millis(200), next.read(&mut [0; 8])).await;
                if read.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap();
    }
}
