use anyhow::Result;
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{KV, Settings};
use serde_json::json;
use std::time::Duration;
#[tokio::test]
async fn playground() -> Result<()> {
    let fleet = Fleet::start(Settings { clusters: 2, ..Settings::default() }).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "user": "a", "password": "canary-one" })).await?;
    std::fs::write(
        "/tmp/playground",
        format!(
            "export LOCKSTEP_CONFIG={} F={} BAO={} T={}\n",
            fleet.cli_config().display(),
            fleet.folder().display(),
            fleet.bao.addr(),
            fleet.bao.root_token()
        ),
    )?;
    std::fs::write(fleet.folder().join("basics.yaml"), format!("{}---\n{}", fleet.basics(), Fleet::binding("db")))?;
    while std::path::Path::new("/tmp/playground").exists() {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}
