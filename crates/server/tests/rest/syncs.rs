//! Asking for what is delivered already to be delivered anew.

use anyhow::Result;
use serde_json::{Value, json};

use crate::fixture::{Api, binding};

async fn desired(api: &Api) -> Result<Vec<String>> {
    let items = api.get("/v1/deliveries").await?.ok().body["items"].clone();
    Ok(items.as_array().unwrap().iter().map(|d| d["desiredRevision"].as_str().unwrap().to_owned()).collect())
}

async fn syncs(api: &Api) -> Result<Vec<Value>> {
    let list = api.get("/v1/changes?kind=SyncAsked").await?.ok().body["items"].clone();
    Ok(list.as_array().unwrap().iter().map(|c| c["detail"].clone()).collect())
}

#[tokio::test]
async fn a_sync_makes_the_revision_newer_where_it_was_asked_for_and_nowhere_else() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    let before = desired(&api).await?;
    let tried = api.post("/v1/bindings/checkout-db/sync?dryRun=All", None).await?.ok().body;
    assert_eq!((&tried["deliveries"], desired(&api).await?), (&json!(2), before.clone()));
    let one = api.post("/v1/bindings/checkout-db/sync?cluster=eu-1", None).await?.ok().body;
    assert_eq!((&one["deliveries"], &one["cluster"], &one["repeated"]), (&json!(1), &json!("eu-1"), &json!(false)));
    assert_eq!(desired(&api).await?, [one["revision"].as_str().unwrap(), &before[1]]);
    assert_eq!(syncs(&api).await?, [json!({"project": "payments", "cluster": "eu-1", "placements": 1})]);
    Ok(())
}

#[tokio::test]
async fn asked_for_again_within_moments_it_is_the_same_sync() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    let all = api.post("/v1/bindings/checkout-db/sync", None).await?.ok().body;
    for again in ["", "?cluster=eu-2"] {
        let again = api.post(&format!("/v1/bindings/checkout-db/sync{again}"), None).await?.ok().body;
        assert_eq!((&again["repeated"], &again["revision"]), (&json!(true), &all["revision"]));
    }
    assert_eq!(syncs(&api).await?.len(), 1);
    api.sql("update change set at = at - interval '11 seconds'").await?;
    let later = api.post("/v1/bindings/checkout-db/sync", None).await?.ok().body;
    assert_eq!((&later["repeated"], syncs(&api).await?.len()), (&json!(false), 2));
    Ok(())
}

#[tokio::test]
async fn what_is_denied_is_not_delivered_by_asking() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    api.delete("/v1/grants/payments-prod").await?.ok();
    let before = desired(&api).await?;
    let none = api.post("/v1/bindings/checkout-db/sync", None).await?.ok().body;
    assert_eq!((&none["deliveries"], desired(&api).await?), (&json!(0), before));
    assert_eq!(syncs(&api).await?, Vec::<Value>::new(), "what changes nothing is no change");
    assert_eq!(api.post("/v1/bindings/none/sync", None).await?.code(), "not-found");
    assert_eq!(api.post("/v1/bindings/checkout-db/sync?cluster=none", None).await?.code(), "not-found");
    Ok(())
}
