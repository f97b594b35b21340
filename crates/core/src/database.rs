//! Where a rotated database is, as its Vault knows it: so that a login with a new password can be tried before anybody gets it.

mod connection_url;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Postgres' port where nobody says another.
pub const POSTGRES_PORT: u16 = 5432;
/// The most hosts of one database.
pub const HOSTS_MAX: usize = 16;

/// Where to log in. Holds no password, whatever the text had from which it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Hosts or addresses, with their ports, in the order in which they are tried; at least one.
    pub hosts: Vec<(String, u16)>,
    /// The database's name on the server.
    pub database: String,
    /// Whether the connection is encrypted, and how far the server is proved.
    pub ssl_mode: SslMode,
    /// Who vouches for the server, in PEM; `None`: the certificates that the system trusts.
    pub ca_pem: Option<String>,
}

/// Postgres' `sslmode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server insists.
    Allow,
    /// Encrypted if the server can: what Postgres' clients do where nobody says.
    #[default]
    Prefer,
    /// Always encrypted.
    Require,
    /// And the certificate's issuer is known.
    VerifyCa,
    /// And it is that host's.
    VerifyFull,
}

/// Why the text does not say where the database is. Quotes nothing of it: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// Neither form.
    #[error("the connection_url is neither a postgresql:// URL nor key=value pairs")]
    Form,
    /// No host.
    #[error("the connection_url names no host: a login can be tried over the network only")]
    NoHost,
    /// A path instead of a host.
    #[error("the connection_url names a Unix socket, which is on the Vault's machine")]
    Socket,
    /// More than [`HOSTS_MAX`].
    #[error("the connection_url names more than {HOSTS_MAX} hosts")]
    TooManyHosts,
    /// No number, or as many ports as hosts.
    #[error("a port in the connection_url is no port number, or there are not as many ports as hosts")]
    Port,
    /// Another word.
    #[error("the connection_url has an sslmode that Postgres does not know")]
    SslMode,
    /// Neither the text nor the engine's own user names one.
    #[error("the connection_url names no database, and no user whose name would stand for it")]
    NoDatabase,
}

impl Place {
    /// From the `connection_url` of Vault's Postgres plugin: a URL or key=value pairs, with `{{username}}` and `{{password}}` in place of
    /// credentials. `username` is the engine's own user: where no database is named, Postgres' clients take the user's name, so
    /// the Vault itself logs in to that.
    pub fn of_postgres(connection_url: &str, username: &str) -> Result<Self, PlaceError> {
        connection_url::parse(connection_url, username)
    }
}

impl FromStr for SslMode {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        Ok(match text {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return Err(PlaceError::SslMode),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database {:?} at ", self.database)?;
        for (nth, (host, port)) in self.hosts.iter().enumerate() {
            f.write_str(if nth == 0 { "" } else { ", " })?;
            if host.contains(':') { write!(f, "[{host}]:{port}")? } else { write!(f, "{host}:{port}")? }
        }
        Ok(())
    }
}
