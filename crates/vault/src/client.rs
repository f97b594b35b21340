//! The client: a session and a transport, and the rule how often a refused call is tried again.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use crate::answer::Answer;
use crate::error::VaultError;
use crate::metrics::Metrics;
use crate::request::Request;
use crate::session::Session;
use crate::settings::{Login, Settings};
use crate::transport::Transport;

/// A client for one Vault. Clones share login, connections and metrics.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    session: Session,
    transport: Arc<Transport>,
}

impl Vault {
    /// Prepares a client; connects and logs in with the first call. `name` is the source's name, for metrics and logs.
    ///
    /// Fails with [`VaultError::Settings`] only.
    pub fn new(settings: Settings, metrics: Metrics, name: &str) -> Result<Self, VaultError> {
        let transport = Arc::new(Transport::new(&settings, metrics, name)?);
        Ok(Self(Arc::new(Inner { session: Session::new(settings.credentials), transport })))
    }

    /// A client that logs in as somebody else, over the same connections. Its token is never renewed, but replaced by another login from two thirds
    /// of its life on: a renewed one would keep the policies that the login gave, however long ago that was.
    #[must_use]
    pub fn logging_in(&self, login: Login) -> Self {
        Self(Arc::new(Inner { session: Session::of_another(login), transport: self.0.transport.clone() }))
    }

    /// When the next call would log in again; `None` while there is no login.
    pub async fn next_login(&self) -> Option<Instant> {
        self.0.session.next_login().await
    }

    /// Sends with our token. One new login and one second try when the token was refused, or when its policies may be stale.
    pub(crate) async fn call(&self, request: &Request) -> Result<Answer, VaultError> {
        let Inner { session, transport } = &*self.0;
        let deadline = Instant::now() + transport.timeout;
        let call = async {
            let token = session.token(transport, deadline).await?;
            let answer = transport.send(request, Some(&token), deadline).await?;
            if answer.status != http::StatusCode::FORBIDDEN || !session.renounce(&token, answer.is_token_rejected()).await {
                return Ok(answer);
            }
            let token = session.token(transport, deadline).await?;
            transport.send(request, Some(&token), deadline).await
        };
        // Exchanges end at the deadline by themselves; this is for waiting on files and on another call's login.
        tokio::time::timeout_at(deadline, call).await.unwrap_or(Err(VaultError::Timeout { after: transport.timeout }))
    }

    /// Sends without a token.
    pub(crate) async fn call_unauthenticated(&self, request: &Request) -> Result<Answer, VaultError> {
        let transport = &self.0.transport;
        transport.send(request, None, Instant::now() + transport.timeout).await
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.0.transport.source)
    }
}
