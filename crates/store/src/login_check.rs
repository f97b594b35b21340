//! Trying a login at a database whose password a rotation has changed, before anybody gets the password.
//!
//! It is not the registry, and no SQL is sent there. It is here because no other crate links a driver for Postgres.

use std::time::Duration;

use lockstep_core::database::{Place, SslMode};
use lockstep_core::material::Material;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection as _, PgConnection};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

/// The name that the database's administrator sees.
const APPLICATION: &str = "lockstep login check";
/// SQLSTATE: invalid password.
const INVALID_PASSWORD: &str = "28P01";
/// SQLSTATE: the user is unknown, may not log in, or not from here.
const INVALID_AUTHORIZATION: &str = "28000";
/// SQLSTATEs of a server that takes no connection now: too many, shutting down, starting.
const NOT_NOW: [&str; 4] = ["53300", "57P01", "57P02", "57P03"];

/// Why there was no login. Holds neither password nor the driver's own text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoginError {
    /// The server knows another password, or lets this user not in.
    #[error(
        "the {place} refused the login of {username:?} (SQLSTATE {sqlstate}): its password is another, or pg_hba.conf lets it not in"
    )]
    Refused {
        /// Where.
        place: String,
        /// Who.
        username: String,
        /// What the server said.
        sqlstate: String,
    },
    /// No host answered, or none takes connections now.
    #[error("the {place} cannot be reached from here: check that the network lets this server reach it, and that it runs")]
    Unreachable {
        /// Where.
        place: String,
    },
    /// Something else that only a change of settings heals.
    #[error("no login could be tried at the {place}: {why}")]
    Other {
        /// Where.
        place: String,
        /// One of this crate's sentences, or the server's SQLSTATE.
        why: String,
    },
}

impl LoginError {
    /// Whether it says nothing about the password, and may be another thing later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// Logs in and out again, with nothing in between. Of several hosts one that takes the login is enough: a replica may not have the
/// new password yet.
///
/// The driver has the password in memory of its own until it returns; it is dropped there, not wiped.
pub async fn log_in(place: &Place, username: &str, password: &Material, limit: Duration) -> Result<(), LoginError> {
    let other = |why: &str| LoginError::Other { place: place.to_string(), why: why.to_owned() };
    let password = std::str::from_utf8(password.expose()).map_err(|_| other("the password is not UTF-8 text"))?;
    let deadline = Instant::now() + limit;
    let mut told = LoginError::Unreachable { place: place.to_string() };
    for (nth, (host, port)) in place.hosts.iter().enumerate() {
        // A host that hangs must leave time for the others.
        let left = deadline.saturating_duration_since(Instant::now());
        let until = if nth + 1 == place.hosts.len() { deadline } else { Instant::now() + left / 2 };
        let options = options(place, host, *port).username(username).password(password);
        match timeout_at(until, PgConnection::connect_with(&options)).await {
            Ok(Ok(connection)) => {
                // It is proved; a farewell that hangs changes nothing.
                let _ = timeout_at(deadline, connection.close()).await;
                return Ok(());
            }
            Ok(Err(error)) => told = more_telling(told, judged(&error, place, username)),
            Err(_) => {}
        }
    }
    Err(told)
}

fn options(place: &Place, host: &str, port: u16) -> PgConnectOptions {
    // Every word that the environment could have set is set here.
    let options = PgConnectOptions::new_without_pgpass()
        .host(host)
        .port(port)
        .database(&place.database)
        .application_name(APPLICATION)
        .ssl_mode(match place.ssl_mode {
            SslMode::Disable => PgSslMode::Disable,
            SslMode::Allow => PgSslMode::Allow,
            SslMode::Prefer => PgSslMode::Prefer,
            SslMode::Require => PgSslMode::Require,
            SslMode::VerifyCa => PgSslMode::VerifyCa,
            SslMode::VerifyFull => PgSslMode::VerifyFull,
        });
    match &place.ca_pem {
        Some(pem) => options.ssl_root_cert_from_pem(pem.clone().into_bytes()),
        None => options,
    }
}

fn judged(error: &sqlx::Error, place: &Place, username: &str) -> LoginError {
    let at = place.to_string();
    match error {
        sqlx::Error::Database(said) => match said.code().unwrap_or_default().as_ref() {
            code @ (INVALID_PASSWORD | INVALID_AUTHORIZATION) => {
                LoginError::Refused { place: at, username: username.to_owned(), sqlstate: code.to_owned() }
            }
            code if NOT_NOW.contains(&code) => LoginError::Unreachable { place: at },
            "3D000" => LoginError::Other { place: at, why: "there is no such database: correct the connection_url".to_owned() },
            "42501" => {
                LoginError::Other { place: at, why: format!("{username:?} may not connect to this database: grant it CONNECT") }
            }
            code => LoginError::Other { place: at, why: format!("the server answered with SQLSTATE {code}") },
        },
        sqlx::Error::Io(_) => LoginError::Unreachable { place: at },
        sqlx::Error::Tls(_) => LoginError::Other {
            place: at,
            why: "TLS failed: check sslmode, and whether the certificate is trusted here".to_owned(),
        },
        _ => LoginError::Other { place: at, why: "the server does not speak as this version expects".to_owned() },
    }
}

/// Of two hosts' failures: a word about the password tells most, silence least.
fn more_telling(one: LoginError, other: LoginError) -> LoginError {
    let rank = |error: &LoginError| match error {
        LoginError::Refused { .. } => 2,
        LoginError::Other { .. } => 1,
        LoginError::Unreachable { .. } => 0,
    };
    if rank(&other) > rank(&one) { other } else { one }
}
