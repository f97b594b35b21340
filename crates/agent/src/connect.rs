//! From an address to a channel: TCP, TLS, HTTP/2, each with a limit.
//!
//! A channel stands for one connection. It never dials again by itself: which server is next, and when, is the link's decision.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::{CertificateError, ClientConfig};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

use crate::address::{AddressError, ServerAddress};
use alert::Noting;

mod alert;

pub(crate) use alert::Refusal;

/// How long TCP, TLS and HTTP/2 may take, each.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often HTTP/2 asks whether the other side is there.
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How long it waits for the answer.
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    /// Nobody answered.
    #[error("cannot reach {address}: {source}")]
    Unreachable {
        /// Which server.
        address: ServerAddress,
        /// The system's answer.
        source: io::Error,
    },
    /// The server does not show the pinned root.
    #[error("{0} does not show a root certificate with the pinned key: check --pin and the address, somebody may be in between")]
    Pin(ServerAddress),
    /// The handshake failed.
    #[error("no TLS with {address}: {source}")]
    Tls {
        /// Which server.
        address: ServerAddress,
        /// Why.
        source: io::Error,
    },
    /// It took too long.
    #[error("{0} did not answer within {CONNECT_TIMEOUT:?}")]
    Slow(ServerAddress),
    /// The same, where one of several addresses was tried.
    #[error("{address} did not answer at {at} within {limit:?}")]
    Late {
        /// Whose.
        address: ServerAddress,
        /// Which of its addresses.
        at: SocketAddr,
        /// How long it had.
        limit: Duration,
    },
    /// The address has no name to check.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The local TLS settings are wrong.
    #[error("the agent's certificate cannot be used: {0}")]
    Settings(#[from] rustls::Error),
    /// HTTP/2 failed.
    #[error("no HTTP/2 with {address}: {source}")]
    Http {
        /// Which server.
        address: ServerAddress,
        /// Why.
        source: tonic::transport::Error,
    },
}

/// One connection to `address`, ready for calls.
pub(crate) async fn connect(address: &ServerAddress, config: Arc<ClientConfig>) -> Result<Channel, ConnectError> {
    watched(address, config).await.1
}

/// The same, and whether the other side refuses our certificate: it may say so at any time after.
pub(crate) async fn watched(address: &ServerAddress, config: Arc<ClientConfig>) -> (Refusal, Result<Channel, ConnectError>) {
    let slow = |_| ConnectError::Slow(address.clone());
    let stream = match timeout(CONNECT_TIMEOUT, dial(address, config)).await.map_err(slow) {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) | Err(error) => return (Refusal::default(), Err(error)),
    };
    let (stream, refusal) = Noting::new(stream);
    let channel = timeout(CONNECT_TIMEOUT, channel(address, stream)).await.map_err(slow);
    (refusal, channel.and_then(|channel| channel))
}

/// One connection to `address` at this one of its addresses, where it has several; within `limit`.
pub(crate) async fn connect_at(
    address: &ServerAddress,
    at: SocketAddr,
    config: Arc<ClientConfig>,
    limit: Duration,
) -> Result<Channel, ConnectError> {
    let connecting = async {
        let stream = secured(address, TcpStream::connect(at).await, config).await?;
        channel(address, Noting::new(stream).0).await
    };
    timeout(limit, connecting).await.unwrap_or_else(|_| Err(ConnectError::Late { address: address.clone(), at, limit }))
}

async fn dial(address: &ServerAddress, config: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, ConnectError> {
    secured(address, TcpStream::connect(address.authority()).await, config).await
}

async fn secured(
    address: &ServerAddress,
    tcp: io::Result<TcpStream>,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let unreachable = |source| ConnectError::Unreachable { address: address.clone(), source };
    let tcp = tcp.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    let stream = TlsConnector::from(config).connect(address.server_name()?, tcp).await;
    stream.map_err(|source| {
        if is_wrong_pin(&source) {
            ConnectError::Pin(address.clone())
        } else {
            ConnectError::Tls { address: address.clone(), source }
        }
    })
}

fn is_wrong_pin(error: &io::Error) -> bool {
    let tls = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)))
}

async fn channel(address: &ServerAddress, stream: Noting<TlsStream<TcpStream>>) -> Result<Channel, ConnectError> {
    let http = |source| ConnectError::Http { address: address.clone(), source };
    // tonic refuses "https" without its own TLS; the stream is encrypted already, and the origin says so.
    let endpoint = Endpoint::from_shared(format!("http://{}", address.authority())).map_err(http)?;
    let origin: Uri = address.to_string().parse().map_err(|_| AddressError::of(address))?;
    let endpoint = endpoint
        .origin(origin)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    let once = Arc::new(Mutex::new(Some(stream)));
    let connector = tower::service_fn(move |_: Uri| {
        let stream = once.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move { stream.map(TokioIo::new).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
    });
    endpoint.connect_with_connector(connector).await.map_err(http)
}
