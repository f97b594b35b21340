//! How a Vault is reached, and as whom.

use std::path::PathBuf;
use std::time::Duration;

use crate::held_token::HeldToken;

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
    /// A login; its token is renewed before it expires.
    Login(Login),
}

/// A login. Its files are read each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Where the method is mounted, below `auth/`.
    pub mount: String,
    /// How.
    pub method: LoginMethod,
}

/// What is shown to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginMethod {
    /// `AppRole`: a role id and a secret id.
    AppRole {
        /// Holds the role id.
        role_id_file: PathBuf,
        /// Holds the secret id.
        secret_id_file: PathBuf,
    },
    /// Kubernetes: a service account's token, which the Vault has a cluster review.
    Kubernetes {
        /// The role to log in to.
        role: String,
        /// Where the token is.
        token: ShownToken,
    },
    /// A JWT, which the Vault checks by its issuer's keys.
    Jwt {
        /// The role to log in to.
        role: String,
        /// Where the token is.
        token: ShownToken,
    },
    /// A TLS client certificate.
    Certificate {
        /// The role to log in to; `None`: any that trusts the certificate.
        role: Option<String>,
        /// Holds the certificate, in PEM, with what leads to its root.
        certificate_file: PathBuf,
        /// Holds its private key, in PEM.
        key_file: PathBuf,
    },
}

/// Where a token is that is shown to be let in. It is looked at with each login: both are exchanged while they are in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShownToken {
    /// In a file, as the kubelet projects it for this process's own service account.
    File(PathBuf),
    /// In memory only: it is somebody else's, for whom we log in.
    Held(HeldToken),
}

impl LoginMethod {
    /// As Vault calls it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AppRole { .. } => "AppRole",
            Self::Kubernetes { .. } => "Kubernetes",
            Self::Jwt { .. } => "JWT",
            Self::Certificate { .. } => "TLS certificate",
        }
    }

    /// How often what is shown was replaced, where that is told.
    pub(crate) fn replaced(&self) -> u64 {
        match self {
            Self::Kubernetes { token: ShownToken::Held(held), .. } | Self::Jwt { token: ShownToken::Held(held), .. } => {
                held.replaced()
            }
            Self::AppRole { .. } | Self::Kubernetes { .. } | Self::Jwt { .. } | Self::Certificate { .. } => 0,
        }
    }

    /// What to look at when it is refused.
    pub(crate) const fn advice(&self) -> &'static str {
        match self {
            Self::AppRole { .. } => "role id and secret id, and whether the secret id expired or is used up",
            Self::Kubernetes { .. } => {
                "whether the role is bound to the service account, namespace and audience of the token, and whether the method is \
                 mounted there and reaches the cluster"
            }
            Self::Jwt { .. } => {
                "whether the role accepts the token's issuer, audience and subject, and whether the token expired"
            }
            Self::Certificate { .. } => "whether a role of the method trusts the certificate, and whether it is mounted there",
        }
    }
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
