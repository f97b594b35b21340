//! Whether a Vault can serve.

use serde::Deserialize;
use vaultrs::api::sys::requests::ReadHealthRequest;

use crate::client::Vault;
use crate::error::VaultError;
use crate::request::{Operation, Request};

/// The state of the best node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It serves.
    Active,
    /// It answers, but another node should serve, and none does.
    Standby,
    /// It is sealed.
    Sealed,
    /// It was never initialised.
    Uninitialised,
}

/// What a Vault says and a proxy before it does not.
#[derive(Deserialize)]
struct HealthBody {
    initialized: bool,
    sealed: bool,
    standby: bool,
}

impl Vault {
    /// Asks the nodes, without a login, until one is active. What the body says counts:
    /// here 429 is a standby, no quota, and the statuses of other standbys differ between servers.
    pub async fn health(&self) -> Result<Health, VaultError> {
        let request = Request::of(Operation::Health, &ReadHealthRequest::default())?;
        let answer = self.call_unauthenticated(&request).await?;
        let Ok(HealthBody { initialized, sealed, standby }) = answer.parse(&request) else {
            return Err(match answer.failure(&request) {
                error @ VaultError::Unavailable { .. } => error,
                _ => VaultError::Protocol { what: request.what(), why: "what answers there is no Vault" },
            });
        };
        Ok(match (initialized, sealed, standby) {
            (false, _, _) => Health::Uninitialised,
            (true, true, _) => Health::Sealed,
            (true, false, true) => Health::Standby,
            (true, false, false) => Health::Active,
        })
    }
}
