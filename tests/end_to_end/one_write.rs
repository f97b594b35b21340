//! The main job: one write in Vault reaches every cluster that is bound to it.

use std::time::Duration;

use anyhow::Result;
use lockstep_testbed::fleet::{KV, Settings};
use lockstep_testbed::{Fleet, wait};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn one_write_in_vault_reaches_every_bound_cluster() -> Result<()> {
    let fleet = Fleet::start(Settings::default()).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "user": "a", "password": "canary-one" })).await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), Fleet::binding("db"))).await?;
    fleet.await_deliveries("InSync", 5, LIMIT).await?;
    for agent in &fleet.agents {
        let content = agent.read("db").unwrap_or_default();
        assert_eq!(content.get("password").map(Vec::as_slice), Some(b"canary-one".as_slice()), "{}", agent.name());
    }
    fleet.bao.kv_put(KV, "shop/db", &json!({ "user": "a", "password": "canary-two" })).await?;
    wait::until("the second version in every target", LIMIT, async || {
        fleet.agents.iter().all(|a| a.read("db").is_some_and(|c| c["password"] == b"canary-two"))
    })
    .await?;
    Ok(())
}
