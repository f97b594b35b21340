//! A source: one Vault (or OpenBao).

mod cluster_login;

use serde::{Deserialize, Serialize};

use crate::name::CredentialsName;

pub use cluster_login::{Audience, AudienceError, CLUSTER, ClusterLogin, LoginPattern, LoginPatternError, Method};

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
    /// The credential set by which rotations write there; none: the same. It is an administrator's to say, as a source is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_credentials: Option<CredentialsName>,
    /// Who reads what is delivered.
    #[serde(default, skip_serializing_if = "ReadAs::is_server")]
    pub read_as: ReadAs,
}

/// Who reads secrets' data at a source. That they changed is always seen by the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadAs {
    /// The server, with its own credentials: grants decide what a cluster gets.
    #[default]
    Server,
    /// The cluster that gets it, so that Vault's policy decides as well and Vault's audit names the cluster.
    Cluster(ClusterLogin),
}

impl ReadAs {
    /// Whether the server reads.
    pub fn is_server(&self) -> bool {
        *self == Self::Server
    }
}
