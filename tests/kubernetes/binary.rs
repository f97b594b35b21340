//! Binary files: base64 text in Vault, bytes in the Secret.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lockstep_testbed::fleet::{KV, NAMESPACE};
use lockstep_testbed::{Fleet, wait};
use serde_json::json;

use crate::shop::{CLUSTER, STORY_LIMIT, await_password, binding, deliver, fleet, kubernetes, path, write};

/// A keystore: bytes that are no text.
fn keystore(last: u8) -> Vec<u8> {
    (0..=255).chain([0xfe, 0xed, 0xfe, 0xed, last]).collect()
}

/// As `base64 keystore` prints it.
fn printed(bytes: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(bytes);
    text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line) + "\n").collect()
}

async fn keep(fleet: &Fleet, store: &str) -> Result<()> {
    let keys = json!({ "store": store, "password": "changeit" });
    fleet.bao.kv_put(KV, "shop/files", &keys).await.map(drop)
}

async fn await_store(fleet: &Fleet, bytes: &[u8]) -> Result<()> {
    wait::until("the keystore to be there byte by byte", STORY_LIMIT, async || {
        let data = kubernetes(fleet)?.secret(NAMESPACE, "files").await?.context("it is not there")?;
        ensure!(data.get("store.p12").map(Vec::as_slice) == Some(bytes), "it is another");
        ensure!(data.get("password").map(Vec::as_slice) == Some(b"changeit"), "the text beside it is another");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_binary_file_arrives_byte_by_byte_and_what_is_no_base64_stops_nobody_else() -> Result<()> {
    let mut fleet = fleet().await?;
    deliver(&fleet, "other", "", "restart: {policy: None}").await?;
    keep(&fleet, &printed(&keystore(1))).await?;
    let files = binding("files", "", "restart: {policy: None}")
        .replace("path: shop/files}", "path: shop/files, keys: {store: store.p12, password: password}, base64: [store]}");
    fleet.apply(&files).await?;
    fleet.await_delivery(CLUSTER, "files", "InSync").await?;
    await_store(&fleet, &keystore(1)).await?;

    // Digests are of the bytes: nothing is written again, neither by an agent that was started anew …
    let before = kubernetes(&fleet)?.request("GET", &path("files"), None).await?;
    fleet.agents[0].process()?.stop().await?;
    fleet.agents[0].start()?;
    write(&fleet, "other", "second").await?;
    await_password(&fleet, "other", "second").await?;
    fleet.await_delivery(CLUSTER, "files", "InSync").await?;
    assert_eq!(kubernetes(&fleet)?.request("GET", &path("files"), None).await?, before);
    // … and what somebody edits is put right.
    let edit = json!({ "data": { "store.p12": BASE64_STANDARD.encode("theirs") } });
    kubernetes(&fleet)?.request("PATCH", &path("files"), Some(edit)).await?;
    await_store(&fleet, &keystore(1)).await?;

    keep(&fleet, "no base64 at all").await?;
    let failed = fleet.await_delivery(CLUSTER, "files", "Failed").await?;
    let cause = failed["cause"].as_str().unwrap_or_default();
    for part in ["key \"store\" of secret shop/files is not base64", "as `base64 FILE` prints it"] {
        assert!(cause.contains(part), "{cause}");
    }
    assert!(!cause.contains("at all"), "{cause}");
    await_store(&fleet, &keystore(1)).await?;
    write(&fleet, "other", "third").await?;
    await_password(&fleet, "other", "third").await?;

    keep(&fleet, &printed(&keystore(2))).await?;
    await_store(&fleet, &keystore(2)).await?;
    // Another encoding is other content, though Vault's version is the same.
    fleet.apply(&files.replace(", base64: [store]", "")).await?;
    await_store(&fleet, printed(&keystore(2)).as_bytes()).await
}
