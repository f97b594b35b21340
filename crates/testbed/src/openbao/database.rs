//! The database engine, on a real Postgres: connections, and static roles of users that are made for them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::Url;
use serde_json::{Value, json};

use super::OpenBao;
use crate::postgres::Database;

/// The name of the connection that [`OpenBao::enable_database`] makes.
const CONNECTION: &str = "app";

impl OpenBao {
    /// Enables a database engine with a connection `app` to this database, as the superuser of its server.
    pub async fn enable_database(&self, mount: &str, database: &Database) -> Result<()> {
        self.enable_engine(mount, "database").await?;
        self.connect_database(mount, CONNECTION, database).await
    }

    /// Makes a connection of a database engine to this database.
    pub async fn connect_database(&self, mount: &str, connection: &str, database: &Database) -> Result<()> {
        let url = Url::parse(database.url()).context("the database's URL")?;
        let place = url.host_str().zip(url.port_or_known_default()).context("the database's URL has no host or port")?;
        let config = json!({
            "plugin_name": "postgresql-database-plugin",
            "allowed_roles": "*",
            "connection_url": format!("postgresql://{{{{username}}}}:{{{{password}}}}@{}:{}/{}?sslmode=disable", place.0, place.1, database.name()),
            "username": url.username(),
            "password": url.password().unwrap_or_default(),
        });
        self.request("POST", &format!("{mount}/config/{connection}"), Some(config)).await.map(drop)
    }

    /// Makes a user in the database, and a static role for it at the connection `app`. Its password is rotated at once, and then by the
    /// engine each `period`.
    pub async fn static_role(&self, mount: &str, role: &str, database: &Database, period: Duration) -> Result<String> {
        let user = database.create_user(role).await?;
        self.write_static_role(mount, role, &user, period).await?;
        Ok(user)
    }

    /// A static role at the connection `app` for a user that is there.
    pub async fn write_static_role(&self, mount: &str, role: &str, user: &str, period: Duration) -> Result<()> {
        let body = json!({ "db_name": CONNECTION, "username": user, "rotation_period": format!("{}s", period.as_secs()) });
        self.request("POST", &format!("{mount}/static-roles/{role}"), Some(body)).await.map(drop)
    }

    /// Gives a static role a new password now.
    pub async fn rotate_static_role(&self, mount: &str, role: &str) -> Result<()> {
        self.request("POST", &format!("{mount}/rotate-role/{role}"), None).await.map(drop)
    }

    /// Forgets a static role. Its user stays in the database.
    pub async fn delete_static_role(&self, mount: &str, role: &str) -> Result<()> {
        self.request("DELETE", &format!("{mount}/static-roles/{role}"), None).await.map(drop)
    }

    /// A static role's credentials: `username`, `password`, `last_vault_rotation` and so on.
    pub async fn static_creds(&self, mount: &str, role: &str) -> Result<Value> {
        let mut answer = self.request("GET", &format!("{mount}/static-creds/{role}"), None).await?;
        Ok(answer["data"].take())
    }
}
