//! From External Secrets Operator's manifests to bindings: first beside what it wrote, then in its place.

use anyhow::{Context as _, Result};
use lockstep_testbed::fleet::{KV, NAMESPACE};
use lockstep_testbed::{Fleet, checkout, wait};
use serde_json::json;

use crate::observe::await_observed;
use crate::shop::{CLUSTER, STORY_LIMIT, apply_as, fleet, kubernetes, path};

const SECRET: &str = "checkout-db";

/// Imports an ExternalSecret with its store, and applies what it becomes.
async fn import(fleet: &Fleet, more: &[&str]) -> Result<()> {
    let fixtures = checkout::find("crates/cli/tests/fixtures/import/eso")?;
    let [keys, stores] = ["keys.yaml", "stores.yaml"].map(|name| fixtures.join(name).to_string_lossy().into_owned());
    let told = ["--project", "shop", "--source", "corp", "--clusters", "env=prod"];
    let import = [&["import", "eso", "-f", &keys, "-f", &stores][..], &told, more].concat();
    let bindings = fleet.cli(&import).await?.stdout;
    fleet.apply(&bindings).await
}

async fn write(fleet: &Fleet, password: &str) -> Result<()> {
    fleet.bao.kv_put(KV, "shop/checkout/db", &json!({ "username": "app", "password": password })).await.map(drop)
}

#[tokio::test]
async fn what_an_external_secret_made_is_compared_and_then_delivered_by_the_binding_it_became() -> Result<()> {
    let fleet = fleet().await?;
    write(&fleet, "one").await?;
    let content = json!({ "DB_USER": "app", "DB_PASSWORD": "one", "DB_PASSWORD_AGAIN": "one" });
    apply_as(&fleet, "external-secrets", SECRET, content).await?;
    let before = kubernetes(&fleet)?.request("GET", &path(SECRET), None).await?;

    import(&fleet, &["--observe"]).await?;
    await_observed(&fleet, "would change 0 of 3 keys in 1 Secret").await?;
    assert_eq!(kubernetes(&fleet)?.request("GET", &path(SECRET), None).await?, before, "nothing was written");

    import(&fleet, &[]).await?;
    fleet.await_delivery(CLUSTER, SECRET, "InSync").await?;
    write(&fleet, "two").await?;
    wait::until("the next password under both names", STORY_LIMIT, async || {
        let data = kubernetes(&fleet)?.secret(NAMESPACE, SECRET).await?.context("it is not there")?;
        let is_two = |key: &str| data.get(key).is_some_and(|value| value == b"two");
        anyhow::ensure!(is_two("DB_PASSWORD") && is_two("DB_PASSWORD_AGAIN"), "it has another");
        anyhow::Ok(())
    })
    .await?;
    let secret = kubernetes(&fleet)?.request("GET", &path(SECRET), None).await?;
    assert_eq!(secret["metadata"]["labels"]["app"], "checkout", "the labels of the ExternalSecret");
    Ok(())
}
