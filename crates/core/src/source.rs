//! A source: one Vault (or OpenBao).

use serde::{Deserialize, Serialize};

use crate::name::CredentialsName;

/// The most addresses one source may have.
pub const ADDRESSES_MAX: usize = 8;

/// How a Vault is reached. Credentials are named, never held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// `https://host:port`, the nodes of one Vault.
    pub addresses: Vec<String>,
    /// Vault namespace, where the server has them.
    pub namespace: Option<String>,
    /// PEM certificates to trust for this source, instead of the system's.
    pub ca: Option<String>,
    /// The credential set of the server's configuration.
    pub credentials: CredentialsName,
}
