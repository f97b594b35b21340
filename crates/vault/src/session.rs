//! Who we are at a Vault: one token per client, however many calls share it.

use std::path::Path;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::credential_file::{self, Stamp};
use crate::error::{LoginFault, VaultError};
use crate::lease::{Lease, Step};
use crate::login::{self, Renewal};
use crate::settings::{Credentials, Login};
use crate::token::Token;
use crate::transport::Transport;

/// After a login that failed, calls fail with its error for this long: many waiting calls must not become many logins.
const LOGIN_RETRY: Duration = Duration::from_secs(1);
/// The same for logins as somebody else, of whom there may be a thousand.
const ANOTHERS_LOGIN_RETRY: Duration = Duration::from_secs(15);

pub(crate) struct Session {
    credentials: Credentials,
    /// Whether the token of a login is renewed.
    renews: bool,
    retry: Duration,
    /// Held while logging in, so that all others wait for that one login.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    failed: Option<Failed>,
}

struct Failed {
    at: Instant,
    /// What was shown, by how often that had been replaced.
    shown: u64,
    error: VaultError,
}

struct Held {
    token: Token,
    origin: Origin,
}

enum Origin {
    File(Stamp),
    Login(Lease),
}

impl Session {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { credentials, renews: true, retry: LOGIN_RETRY, state: Mutex::default() }
    }

    /// Of somebody else, for whom we log in.
    pub(crate) fn of_another(login: Login) -> Self {
        Self { credentials: Credentials::Login(login), renews: false, retry: ANOTHERS_LOGIN_RETRY, state: Mutex::default() }
    }

    /// The token for the next request; logs in or renews where that is due.
    pub(crate) async fn token(&self, transport: &Transport, deadline: Instant) -> Result<Token, VaultError> {
        let mut state = self.state.lock().await;
        match &self.credentials {
            Credentials::TokenFile(file) => state.token_of_file(file).await,
            Credentials::Login(how) => {
                if let Some(token) = state.token_of_login(transport, deadline).await {
                    return Ok(token);
                }
                let shown = how.method.replaced();
                state.check_failed(shown, self.retry)?;
                let result = login::login(transport, how, deadline).await;
                let result = result.map(|(token, lease)| (token, Lease { renewable: lease.renewable && self.renews, ..lease }));
                state.logged_in(result, shown)
            }
        }
    }

    /// When the token will be replaced by another login, if it came from one and nobody asks for it meanwhile.
    pub(crate) async fn next_login(&self) -> Option<Instant> {
        match self.state.lock().await.held.as_ref()?.origin {
            Origin::Login(lease) => lease.ends(),
            Origin::File(_) => None,
        }
    }

    /// Tells that `token` was refused, itself (`rejected`) or for what it asked. Whether another token may fare better.
    pub(crate) async fn renounce(&self, token: &Token, rejected: bool) -> bool {
        let mut state = self.state.lock().await;
        let Some(held) = state.held.take_if(|held| held.token == *token) else {
            // Somebody has replaced it already.
            return true;
        };
        let another = match (&held.origin, &self.credentials) {
            (Origin::Login(lease), _) => lease.is_worth_another(Instant::now(), rejected),
            (Origin::File(_), Credentials::TokenFile(file)) => matches!(read_token(file).await, Ok(now) if now != *token),
            (Origin::File(_), Credentials::Login(_)) => true,
        };
        // A fresh login is kept even when it was refused: only its age says when to log in again.
        if !another {
            state.held = Some(held);
        }
        another
    }
}

impl State {
    async fn token_of_file(&mut self, file: &Path) -> Result<Token, VaultError> {
        let stamp = credential_file::stamp(file).await?;
        if let Some(Held { token, origin: Origin::File(known) }) = &self.held
            && *known == stamp
        {
            return Ok(token.clone());
        }
        let token = read_token(file).await?;
        self.held = Some(Held { token: token.clone(), origin: Origin::File(stamp) });
        Ok(token)
    }

    /// The token of the last login, renewed where that is due; `None`: log in.
    async fn token_of_login(&mut self, transport: &Transport, deadline: Instant) -> Option<Token> {
        let Held { token, origin: Origin::Login(lease) } = self.held.as_mut()? else { return None };
        let is_good = match lease.step(Instant::now()) {
            Step::Keep => true,
            Step::Login => false,
            Step::Renew => {
                lease.tried = Some(Instant::now());
                match login::renew(transport, token, deadline).await {
                    Renewal::Renewed(renewed) => {
                        *lease = Lease { login: lease.login, full_ttl: lease.full_ttl, ..renewed };
                        true
                    }
                    Renewal::Refused => false,
                    Renewal::Failed => {
                        tracing::warn!(source = transport.source, "the Vault token could not be renewed; it is tried again");
                        true
                    }
                }
            }
        };
        is_good.then(|| token.clone())
    }

    fn check_failed(&self, shown: u64, retry: Duration) -> Result<(), VaultError> {
        match &self.failed {
            Some(failed) if failed.shown == shown && failed.at.elapsed() < retry => Err(failed.error.clone()),
            _ => Ok(()),
        }
    }

    fn logged_in(&mut self, result: Result<(Token, Lease), VaultError>, shown: u64) -> Result<Token, VaultError> {
        match result {
            Ok((token, lease)) => {
                self.held = Some(Held { token: token.clone(), origin: Origin::Login(lease) });
                self.failed = None;
                Ok(token)
            }
            Err(error) => {
                self.held = None;
                self.failed = Some(Failed { at: Instant::now(), shown, error: error.clone() });
                Err(error)
            }
        }
    }
}

async fn read_token(file: &Path) -> Result<Token, VaultError> {
    let text = credential_file::read(file).await?;
    Token::new(text).ok_or_else(|| VaultError::Unauthenticated(LoginFault::Content { file: file.to_owned() }))
}
