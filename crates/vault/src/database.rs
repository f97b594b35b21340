//! The database engine: changing a static role's password, and where its database is.

use std::borrow::Cow;

use lockstep_core::database::{Place, PlaceError};
use lockstep_core::kv::{KvMount, KvPath};
use serde::Deserialize;

use crate::client::Vault;
use crate::error::VaultError;
use crate::kv::Envelope;
use crate::request::{Operation, Request};

/// The plugin whose databases a login can be tried at.
const POSTGRES: &str = "postgresql-database-plugin";

/// A database that the engine manages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Such as `postgresql-database-plugin`.
    pub plugin: String,
    /// Where to log in; `None` when it is no Postgres: then no login can be tried.
    pub place: Option<Result<Place, PlaceError>>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    plugin_name: String,
    #[serde(borrow)]
    connection_details: Details<'a>,
}

/// What plugins have in common; others than Postgres' may have neither.
#[derive(Deserialize)]
struct Details<'a> {
    /// May hold a password, where somebody wrote one into it: shown nowhere.
    #[serde(borrow, default)]
    connection_url: Cow<'a, str>,
    #[serde(borrow, default)]
    username: Cow<'a, str>,
    #[serde(default)]
    tls_ca: String,
}

impl Vault {
    /// Has the engine give a static role a new password. The old one ends at once.
    ///
    /// After an error it may have happened all the same: look at the role's `last_vault_rotation`. Nothing is sent twice.
    pub async fn rotate_static_role(&self, mount: &KvMount, role: &KvPath) -> Result<(), VaultError> {
        let request = Request::post(Operation::RotateRole, format!("{mount}/rotate-role/{role}"), None);
        let answer = self.call(&request).await?;
        if answer.is_success() { Ok(()) } else { Err(answer.failure(&request)) }
    }

    /// Where a database of the engine is: `name` is what a static role calls its `db_name`.
    pub async fn database_connection(&self, mount: &KvMount, name: &KvPath) -> Result<Connection, VaultError> {
        let request = Request::get(Operation::DatabaseConnection, format!("{mount}/config/{name}"));
        let answer = self.call(&request).await?;
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Envelope { data } = answer.parse::<Envelope<Fields<'_>>>(&request)?;
        let Details { connection_url, username, tls_ca } = data.connection_details;
        let place = (data.plugin_name == POSTGRES).then(|| {
            let place = Place::of_postgres(&connection_url, &username)?;
            Ok(Place { ca_pem: (!tls_ca.is_empty()).then_some(tls_ca), ..place })
        });
        Ok(Connection { plugin: data.plugin_name, place })
    }
}
