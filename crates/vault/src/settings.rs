//! How a Vault is reached, and as whom.

use std::path::PathBuf;
use std::time::Duration;

/// Time for one call, whatever login, other nodes and second tries it takes.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes of one answer. A SCAN of 10,000 secrets with one version each is 4.1 MB (measured, OpenBao 2.7).
pub const DEFAULT_BODY_MAX_BYTES: usize = 16 << 20;

/// How one Vault is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `https://host:port`, the nodes of one Vault; tried in this order until one works, which is then kept.
    pub addresses: Vec<String>,
    /// The Vault namespace of every request, where the server has them.
    pub namespace: Option<String>,
    /// PEM certificates to trust instead of the system's.
    pub ca_pem: Option<String>,
    /// As whom.
    pub credentials: Credentials,
    /// Bounds one call with all that it takes: login, other nodes, a second try. See [`DEFAULT_TIMEOUT`].
    pub timeout: Duration,
    /// The most bytes of one answer. See [`DEFAULT_BODY_MAX_BYTES`].
    pub body_max_bytes: usize,
}

/// Where the server's own credentials for a Vault are: files, so that they can be exchanged while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A token that somebody else keeps fresh (a Vault agent's sink, a mounted Secret). Read again when the file changes
    /// or the token is refused; never renewed here.
    TokenFile(PathBuf),
    /// An AppRole login, renewed before it expires. The files are read at each login.
    AppRole {
        /// Where the login is mounted, `approle` as a rule.
        mount: String,
        /// Holds the role id.
        role_id_file: PathBuf,
        /// Holds the secret id.
        secret_id_file: PathBuf,
    },
}

impl Settings {
    /// With the default limits, no namespace, and the system's certificates.
    pub fn new(addresses: Vec<String>, credentials: Credentials) -> Self {
        Self {
            addresses,
            namespace: None,
            ca_pem: None,
            credentials,
            timeout: DEFAULT_TIMEOUT,
            body_max_bytes: DEFAULT_BODY_MAX_BYTES,
        }
    }
}
