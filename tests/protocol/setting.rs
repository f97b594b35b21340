//! Where these stories happen.

use anyhow::{Context as _, Result};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::Settings;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::raw::Raw;

/// Servers without agents.
pub(crate) async fn servers(replicas: usize) -> Result<Fleet> {
    Fleet::start_replicas(Settings { replicas, clusters: 0, ..Settings::default() }).await
}

/// Starts a replica anew with another setting of `agents`.
pub(crate) async fn reconfigure(fleet: &mut Fleet, replica: usize, name: &str, value: u32) -> Result<()> {
    let path = fleet.replicas[replica].config_path().to_owned();
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    config["agents"][name] = value.into();
    std::fs::write(&path, config.to_string())?;
    fleet.replicas[replica].process()?.stop().await?;
    fleet.start_replica(replica).await
}

/// Registers a cluster and answers a join token.
pub(crate) async fn register(fleet: &Fleet, name: &str, label: &str) -> Result<String> {
    token_of(&fleet.cli(&["cluster", "register", name, "--label", label, "-o", "json"]).await?.json()?)
}

/// The token in the answer of a command.
pub(crate) fn token_of(answer: &Value) -> Result<String> {
    Ok(answer["token"].as_str().context("the answer has no token")?.to_owned())
}

/// Registers a cluster that a raw agent has joined.
pub(crate) async fn joined(fleet: &Fleet, name: &str, label: &str) -> Result<Raw> {
    let token = register(fleet, name, label).await?;
    Raw::join(fleet, &token).await
}

/// A cluster as it is shown.
pub(crate) async fn cluster(fleet: &Fleet, name: &str) -> Result<Value> {
    fleet.cli(&["get", "cluster", name, "-o", "json"]).await?.json()
}

/// The kinds of a cluster's changes, newest first, with their details.
pub(crate) async fn changes(fleet: &Fleet, name: &str) -> Result<Vec<(String, Value)>> {
    let changes = fleet.cli(&["get", "changes", "--subject", &format!("cluster/{name}"), "-o", "json"]).await?.json()?;
    let one = |change: &Value| (change["kind"].as_str().unwrap_or_default().to_owned(), change["detail"].clone());
    Ok(changes["items"].as_array().into_iter().flatten().map(one).collect())
}

/// The registry's database.
pub(crate) async fn registry(fleet: &Fleet) -> Result<PgConnection> {
    Ok(PgConnection::connect(fleet.database.url()).await?)
}

/// A binding's id.
pub(crate) async fn binding_id(fleet: &Fleet, name: &str) -> Result<Uuid> {
    let id = sqlx::query_scalar("select id from binding where name = $1").bind(name);
    Ok(id.fetch_one(&mut registry(fleet).await?).await?)
}
