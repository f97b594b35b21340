//! One cluster, and many secrets for it.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use lockstep_testbed::fleet::{KV, Settings, Sink};
use lockstep_testbed::{Fleet, wait};
use serde_json::json;
use sqlx::PgPool;

use crate::observer::KEY;

/// How long anything may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(600);
/// Writes of the secrets at once.
const IN_FLIGHT: usize = 32;
/// Bindings in one file of manifests, for one run of the CLI.
const MANIFESTS: usize = 500;

/// One replica and one agent in a cluster of its own.
pub(crate) async fn fleet() -> Result<Fleet> {
    Fleet::start(Settings::as_shipped(Sink::Secret)).await
}

/// Writes so many secrets with a binding each, and answers their names. The cluster is paused, and all versions are known.
pub(crate) async fn written(fleet: &Fleet, prefix: &str, count: usize) -> Result<Vec<String>> {
    let names: Vec<String> = (0..count).map(|number| format!("{prefix}{number:05}")).collect();
    eprintln!("writing {} secrets", names.len());
    let write =
        async |name: &String| fleet.bao.kv_put(KV, &format!("shop/{name}"), &json!({ "username": name, KEY: name })).await;
    stream::iter(&names).map(write).buffer_unordered(IN_FLIGHT).try_collect::<Vec<_>>().await?;
    eprintln!("applying as many bindings, to a cluster that is paused");
    fleet.cli(&["cluster", "pause", "cluster-1"]).await?;
    fleet.apply(&fleet.basics()).await?;
    for some in names.chunks(MANIFESTS) {
        fleet.apply(&some.iter().map(|name| Fleet::binding_to_secret(name)).collect::<String>()).await?;
    }
    eprintln!("waiting until all have been looked at");
    let registry = PgPool::connect(fleet.database.url()).await?;
    wait::until("all versions to be known", LIMIT, async || {
        let unseen: i64 = sqlx::query_scalar("select count(*) from secret where state <> 'Live'").fetch_one(&registry).await?;
        ensure!(unseen == 0, "{unseen} are not");
        anyhow::Ok(())
    })
    .await?;
    Ok(names)
}
