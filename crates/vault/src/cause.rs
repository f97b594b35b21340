//! Why a node could not be reached, from the chain of reqwest's error, which itself is never shown: it holds the URL.

use std::error::Error;
use std::io;
use std::time::Duration;

/// Why a node could not be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// Nobody listens there.
    #[error("connection refused: check address and port, and whether it runs")]
    Refused,
    /// The host name has no address.
    #[error("its name has no address: check the address and DNS")]
    Name,
    /// TLS failed. The text is rustls's, which tells of certificates and protocol only.
    #[error("TLS failed ({0}): check the source's CA and the server's certificate")]
    Tls(String),
    /// No connection in time.
    #[error("no connection in time: check network and firewall")]
    ConnectTimeout,
    /// The connection broke in the middle.
    #[error("the connection broke ({0})")]
    Broken(io::ErrorKind),
    /// Something answered with a status that says that Vault is not there: a proxy, or a node in trouble.
    #[error("status {status}: check the server's own log, and proxies before it")]
    Status {
        /// Which.
        status: u16,
        /// For how long it asks not to be asked, where it says so.
        retry_after: Option<Duration>,
    },
    /// Anything else.
    #[error("the exchange failed")]
    Other,
}

impl Cause {
    /// Of an error without an answer.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        let chain = chain(error);
        if let Some(tls) = chain.iter().find_map(|error| error.downcast_ref::<rustls::Error>()) {
            return Self::Tls(tls.to_string());
        }
        // hyper-util's connector keeps its error type private; this text of it is fixed.
        if chain.iter().any(|error| error.to_string() == "dns error") {
            return Self::Name;
        }
        let kind = chain.iter().filter_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind).next_back();
        match kind {
            Some(io::ErrorKind::ConnectionRefused) => Self::Refused,
            Some(io::ErrorKind::TimedOut) if error.is_connect() => Self::ConnectTimeout,
            _ if error.is_connect() && error.is_timeout() => Self::ConnectTimeout,
            Some(kind) => Self::Broken(kind),
            None => Self::Other,
        }
    }
}

/// The error and all it comes from, outermost first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut chain = vec![error];
    while let Some(&error) = chain.last() {
        // An io::Error that wraps another error names that one's source as its own, and so hides it: look inside.
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).map(|inner| inner as &(dyn Error + 'static));
        match inside.or_else(|| error.source()) {
            Some(next) => chain.push(next),
            None => break,
        }
    }
    chain
}
