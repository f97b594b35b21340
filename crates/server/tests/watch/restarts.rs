//! A replica that was killed and comes back under its name.

use std::time::Duration;

use anyhow::Result;
use lockstep_testbed::OpenBao;
use serde_json::json;

use crate::fixture::{Watched, is_at};

/// So long that nobody can have waited for its end.
const LEASE: Duration = Duration::from_hours(1);

#[tokio::test]
async fn what_it_sees_is_newer_than_all_that_its_predecessor_saw() -> Result<()> {
    let bao = OpenBao::shared().await?;
    bao.enable_kv("restarted").await?;
    bao.kv_put("restarted", "db", &json!({ "p": "one" })).await?;
    let watched = Watched::at(bao.addr(), bao.root_token(), LEASE).await?;
    watched.bind("restarted", &["db"]).await?;
    let watching = watched.watch()?;
    watched.until_all("the first version", |s| is_at(s, 1)).await?;
    watching.kill();
    // As if it had made that many requests before.
    sqlx::query("update secret set began_ordinal = 10000000").execute(&watched.app.pool).await?;
    bao.kv_put("restarted", "db", &json!({ "p": "two" })).await?;
    let watching = watched.watch()?;
    watched.until_all("the second version", |s| is_at(s, 2)).await?;
    watching.end().await
}
