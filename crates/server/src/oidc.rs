//! Callers' OIDC tokens: who shows one, or why it is refused.
//!
//! [`jwt`] takes a token apart, [`claims`] judges what it says, [`key`] which key may have signed it, [`keyring`] when its issuer is asked
//! for newer ones: all without I/O. [`provider`] asks. What can be refused without a key is refused before, so that junk asks nobody for
//! anything.

mod claims;
mod jwt;
mod key;
mod keyring;
mod provider;
mod refused;
pub mod service_account;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use jsonwebtoken::Algorithm;
use tokio::time::Instant;

use crate::config::OidcIssuer;
use jwt::Jwt;
use key::{Key, NoKey};
use keyring::Keyring;
use provider::Provider;

pub use jwt::audiences;
pub use keyring::Pace;
pub use provider::Failure;
pub use refused::Refused;

/// Whose tokens are accepted: all issuers of the configuration.
pub struct Issuers(Vec<Arc<Issuer>>);

/// Who shows a token, as its issuer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The issuer's configured name.
    pub issuer: String,
    /// Who, unique at this issuer: the value of its `usernameClaim`.
    pub user: String,
    /// The groups that the issuer sees them in: the values of its `groupsClaim`.
    pub groups: Vec<String>,
    /// Until when the token says so, without leeway.
    pub expires_at: DateTime<Utc>,
}

struct Issuer {
    config: OidcIssuer,
    provider: Provider,
    keyring: Mutex<Keyring>,
    /// Held by the one who asks the issuer; whoever wants newer keys meanwhile waits for his answer.
    asking: Arc<tokio::sync::Mutex<()>>,
}

impl Issuers {
    /// Nobody is asked yet: an issuer that is away keeps no replica from starting.
    pub fn new(config: &[OidcIssuer]) -> anyhow::Result<Self> {
        Self::with_pace(config, Pace::default())
    }

    /// As [`Issuers::new`], at another pace.
    pub fn with_pace(config: &[OidcIssuer], pace: Pace) -> anyhow::Result<Self> {
        let issuers: anyhow::Result<_> = config.iter().map(|config| Issuer::new(config, pace)).collect();
        Ok(Self(issuers?))
    }

    /// Who shows this token. `Ok(None)` if it is no JWT at all (three parts of base64url, a JSON object in the first); whoever shows a JWT
    /// gets an identity or a reason.
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Option<Identity>, Refused> {
        let Some(jwt) = Jwt::parse(token)? else { return Ok(None) };
        let iss = claims::issuer(&jwt.claims)?;
        let issuer = self.0.iter().find(|issuer| issuer.config.issuer == iss);
        let issuer = issuer.ok_or_else(|| Refused::UnknownIssuer { iss: refused::quoted(iss) })?;
        let identity = claims::identity(&jwt.claims, &issuer.config, now)?;
        issuer.check_signature(&jwt).await?;
        Ok(Some(identity))
    }
}

impl Issuer {
    fn new(config: &OidcIssuer, pace: Pace) -> anyhow::Result<Arc<Self>> {
        let provider = Provider::new(config).with_context(|| format!("oidc {}", config.name))?;
        let keyring = Mutex::new(Keyring::new(pace));
        Ok(Arc::new(Self { config: config.clone(), provider, keyring, asking: Arc::default() }))
    }

    async fn check_signature(self: &Arc<Self>, jwt: &Jwt<'_>) -> Result<(), Refused> {
        let algorithm = self.algorithm(jwt)?;
        let key_id = jwt.key_id.as_deref();
        if self.is_wanting(key_id, algorithm) {
            self.ask(key_id, algorithm).await;
        }
        let name = || self.config.name.clone();
        let keys = self.keyring().keys(Instant::now());
        let keys = keys.map_err(|why| Refused::Unavailable { issuer: name(), why })?;
        let chosen = key::choose(&keys, key_id, algorithm).map_err(|why| match why {
            // An issuer that is away may have taken a new key meanwhile.
            NoKey::Unknown => match self.keyring().failure() {
                Some(why) => Refused::Unavailable { issuer: name(), why },
                None => Refused::UnknownKey { issuer: name() },
            },
            NoKey::Mismatch => Refused::KeyMismatch,
            NoKey::NotNamed => Refused::NoKeyNamed { issuer: name() },
        })?;
        let is_signed = chosen.into_iter().any(|key: &Key| key.signed(jwt, algorithm));
        if is_signed { Ok(()) } else { Err(Refused::BadSignature { issuer: name() }) }
    }

    /// What the token is said to be signed with, if that is accepted.
    fn algorithm(&self, jwt: &Jwt<'_>) -> Result<Algorithm, Refused> {
        let accepted = &self.config.algorithms;
        let named = jwt.algorithm.parse().ok().filter(|algorithm| accepted.contains(algorithm));
        named.ok_or_else(|| Refused::AlgorithmNotAllowed { issuer: self.config.name.clone(), allowed: accepted.clone() })
    }

    fn is_wanting(&self, key_id: Option<&str>, algorithm: Algorithm) -> bool {
        let (keyring, now) = (self.keyring(), Instant::now());
        let is_known = keyring.keys(now).is_ok_and(|keys| !matches!(key::choose(&keys, key_id, algorithm), Err(NoKey::Unknown)));
        keyring.is_wanting(is_known, now)
    }

    /// Asks the issuer for its keys, unless somebody did meanwhile, or a moment ago.
    async fn ask(self: &Arc<Self>, key_id: Option<&str>, algorithm: Algorithm) {
        let turn = self.asking.clone().lock_owned().await;
        if !self.is_wanting(key_id, algorithm) || !self.keyring().may_ask(Instant::now()) {
            return;
        }
        let issuer = self.clone();
        // By itself: a caller who hangs up would end it, and callers with junk who do so could keep keys from ever arriving.
        let asking = tokio::spawn(async move {
            let answer = issuer.provider.keys().await;
            let name = &issuer.config.name;
            if let Err(why) = &answer {
                tracing::warn!(issuer = %name, %why, "an OIDC issuer gave no keys: those known before stay");
            }
            issuer.keyring().take(answer, Instant::now());
            drop(turn);
        });
        let _ = asking.await;
    }

    fn keyring(&self) -> MutexGuard<'_, Keyring> {
        self.keyring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
