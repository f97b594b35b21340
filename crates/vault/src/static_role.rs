//! Static roles of a database engine: when one was last rotated, and its credentials.
//!
//! Measured with OpenBao 2.7 and its PostgreSQL plugin: both reads tell the same `last_vault_rotation`, with nanoseconds; making a role
//! rotates it; a role that is not there answers 404 to the first and 400 ("unknown role") to the second; a role made anew under the same
//! name has a newer time. A rotation that fails half-way leaves the time as it was.

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, Utc};
use http::Method;
use lockstep_core::kv::{KvMount, KvPath};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::client::Vault;
use crate::error::VaultError;
use crate::kv::{Data, Envelope, material};
use crate::request::{Operation, Request};

/// What credentials of a role have, and all that can be delivered of them.
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
/// What Vault says of a role that is not there, to a read of its credentials.
const UNKNOWN: &str = "unknown role";

/// A static role as its engine keeps it. No material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticRole {
    /// When Vault last gave it a new password; `None`: never.
    pub last_rotation: Option<DateTime<Utc>>,
    /// How often Vault rotates it by itself; `None`: as [`StaticRole::rotation_schedule`] says.
    pub rotation_period: Option<Duration>,
    /// The same as a schedule in cron's words, where the server has that.
    pub rotation_schedule: Option<String>,
    /// The engine's name for the database connection.
    pub db_name: String,
    /// The user in the database.
    pub username: String,
}

#[derive(Deserialize)]
struct RoleBody<'a> {
    #[serde(default, deserialize_with = "rotation")]
    last_vault_rotation: Option<DateTime<Utc>>,
    /// Seconds.
    #[serde(default)]
    rotation_period: Option<u64>,
    #[serde(borrow, default)]
    rotation_schedule: Option<Cow<'a, str>>,
    #[serde(borrow)]
    db_name: Cow<'a, str>,
    #[serde(borrow)]
    username: Cow<'a, str>,
}

#[derive(Deserialize)]
struct CredentialsBody<'a> {
    #[serde(default, deserialize_with = "rotation")]
    last_vault_rotation: Option<DateTime<Utc>>,
    #[serde(borrow)]
    username: Option<&'a RawValue>,
    #[serde(borrow)]
    password: Option<&'a RawValue>,
}

/// Go writes a time that was never set as the year 1. As precise as it is stored: see [ADR 0004](../../../docs/adr/0004-times-in-microseconds.md).
fn rotation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let time = Option::<DateTime<Utc>>::deserialize(deserializer)?;
    Ok(time.map(|time| time.trunc_subsecs(6)).filter(|time| *time > DateTime::UNIX_EPOCH))
}

fn get(operation: Operation, mount: &KvMount, kind: &str, role: &KvPath) -> Request {
    Request { operation, method: Method::GET, path: format!("{mount}/{kind}/{role}"), query: None, body: None }
}

impl Vault {
    /// The role; `None`: the engine has none of that name. A mount that is not there is an error.
    pub async fn static_role(&self, mount: &KvMount, role: &KvPath) -> Result<Option<StaticRole>, VaultError> {
        let request = get(Operation::StaticRole, mount, "static-roles", role);
        let answer = self.call(&request).await?;
        if answer.is_nothing() {
            return Ok(None);
        }
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Envelope { data } = answer.parse::<Envelope<RoleBody<'_>>>(&request)?;
        Ok(Some(StaticRole {
            last_rotation: data.last_vault_rotation,
            rotation_period: data.rotation_period.filter(|seconds| *seconds > 0).map(Duration::from_secs),
            rotation_schedule: data.rotation_schedule.filter(|text| !text.is_empty()).map(Cow::into_owned),
            db_name: data.db_name.into_owned(),
            username: data.username.into_owned(),
        }))
    }

    /// Reads the role's credentials: `username` and `password`, and since when they are these. [`VaultError::NotFound`]: there is no
    /// such role.
    pub async fn static_creds(&self, mount: &KvMount, role: &KvPath) -> Result<Data, VaultError> {
        let request = get(Operation::StaticCreds, mount, "static-creds", role);
        let answer = self.call(&request).await?;
        if answer.status == http::StatusCode::BAD_REQUEST && answer.says(UNKNOWN) {
            return Err(VaultError::NotFound { what: request.what() });
        }
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Envelope { data } = answer.parse::<Envelope<CredentialsBody<'_>>>(&request)?;
        let refused = |why| VaultError::Refused { what: request.what(), why };
        let created = data.last_vault_rotation.ok_or_else(|| refused(NEVER_ROTATED))?;
        let value = |raw: Option<&RawValue>| raw.and_then(material).filter(|value| !value.is_empty());
        let [username, password] = [data.username, data.password].map(value);
        let incomplete = "the role has no user name or no password: its credential_type must be password";
        let (Some(username), Some(password)) = (username, password) else { return Err(refused(incomplete)) };
        Ok(Data { created, keys: [(USERNAME.to_owned(), username), (PASSWORD.to_owned(), password)].into() })
    }
}

/// Of a role with which nothing can be done yet.
pub const NEVER_ROTATED: &str = "Vault never rotated this role and so does not know its password: rotate it once (rotate-role)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_was_never_set_is_none_and_others_are_cut_to_what_is_stored() {
        let read = |time: &str| {
            let body = format!(r#"{{"db_name":"d","username":"u","rotation_period":60,"last_vault_rotation":{time}}}"#);
            serde_json::from_str::<RoleBody<'_>>(&body).expect("a role").last_vault_rotation.map(|t| t.to_rfc3339())
        };
        assert_eq!(read("null"), None);
        assert_eq!(read("\"0001-01-01T00:00:00Z\""), None);
        assert_eq!(read("\"2026-01-02T03:04:05.678901234+02:00\"").as_deref(), Some("2026-01-02T01:04:05.678901+00:00"));
    }
}
