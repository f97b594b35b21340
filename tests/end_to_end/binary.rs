//! Binary files on a host.

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, wait};
use serde_json::json;

#[tokio::test]
async fn all_keys_that_are_base64_become_files_of_their_bytes() -> Result<()> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 1, ..Settings::default() }).await?;
    fleet.apply(&fleet.basics()).await?;
    fleet.bao.kv_put(KV, "shop/files", &json!({ "a.der": "MIIB\n/w==\n", "b.bin": "AA==" })).await?;
    fleet.apply(&Fleet::binding("files").replace("path: shop/files}", "path: shop/files, base64: [\"*\"]}")).await?;
    fleet.await_deliveries("InSync", 1, STORY_LIMIT).await?;
    wait::until("both files", STORY_LIMIT, async || {
        let files = fleet.agents[0].read("files").context("no such target")?;
        ensure!(files.get("a.der").map(Vec::as_slice) == Some(b"0\x82\x01\xff"), "a.der is another");
        ensure!(files.get("b.bin").map(Vec::as_slice) == Some(b"\0"), "b.bin is another");
        anyhow::Ok(())
    })
    .await
}
