use anyhow::Result;
use lockstep_store::change::Verified;
use lockstep_store::{change, cluster, registry};
use serde_json::json;

use crate::fixture::{ACTOR, Api, binding, cluster as cluster_manifest, grant};

#[tokio::test]
async fn every_write_is_recorded_with_who_what_and_how_far_it_reaches() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    let mut annotated = binding();
    annotated["metadata"]["annotations"] = json!({"lockstep.dev/owner": "canary-annotation"});
    api.apply(&annotated).await?;
    let mut moved = annotated.clone();
    moved["spec"]["clusters"] = json!({"matchLabels": {"env": "dev"}});
    moved["metadata"]["annotations"] = json!({"lockstep.dev/owner": "canary-other"});
    api.apply(&moved).await?;
    api.delete("/v1/bindings/checkout-db").await?.ok();

    let changes = api.get("/v1/changes?subject=binding/checkout-db").await?.ok();
    let changes = changes.body["items"].as_array().unwrap();
    let kinds: Vec<_> = changes.iter().map(|c| (c["kind"].as_str().unwrap(), c["actor"].as_str().unwrap())).collect();
    assert_eq!(kinds, [("BindingDeleted", ACTOR), ("BindingWritten", ACTOR), ("BindingWritten", ACTOR)]);
    assert_eq!(changes[2]["detail"]["result"], "created");
    assert_eq!(changes[2]["detail"]["placementsChanged"], 2);
    assert_eq!(changes[2]["detail"]["spec"]["items"][0]["path"], "payments/db");
    assert_eq!(
        changes[1]["detail"]["changed"],
        json!(["metadata.annotations.lockstep.dev/owner", "spec.clusters.matchLabels.env"])
    );
    assert_eq!(changes[1]["detail"]["placementsChanged"], 2);
    let text = format!("{changes:?}");
    assert!(!text.contains("canary-annotation") && !text.contains("canary-other"), "annotations may hold anything");

    let mut connection = api.app.pool.acquire().await?;
    assert!(matches!(change::verify(&mut connection).await?, Verified::UpTo(_)));
    Ok(())
}

#[tokio::test]
async fn kinds_of_changes_name_what_was_done() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    api.post("/v1/clusters/eu-1/pause", None).await?.ok();
    api.post("/v1/clusters/eu-1/resume", None).await?.ok();
    api.post("/v1/clusters/eu-1/join-tokens", None).await?.ok();
    api.delete("/v1/clusters/eu-1/join-tokens").await?.ok();
    api.delete("/v1/grants/payments-prod").await?.ok();
    api.delete("/v1/clusters/eu-1").await?.ok();
    api.post("/v1/epoch", Some(&json!({"reason": "restored"}))).await?.ok();
    let changes = api.get("/v1/changes?limit=8").await?.ok().body;
    let seen: Vec<_> = changes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| {
            format!("{} {} {}", c["kind"].as_str().unwrap(), c["subject"].as_str().unwrap(), c["detail"]["placementsChanged"])
        })
        .collect();
    assert_eq!(
        seen,
        [
            "EpochOpened registry null",
            "ClusterRemoving cluster/eu-1 1",
            "GrantDeleted grant/payments-prod 2",
            "JoinTokensRevoked cluster/eu-1 null",
            "JoinTokenMinted cluster/eu-1 null",
            "ClusterResumed cluster/eu-1 0",
            "ClusterPaused cluster/eu-1 0",
            "BindingWritten binding/checkout-db 2",
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_spec_too_large_for_the_history_is_named_and_left_out() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    let mut large = grant();
    let globs: Vec<String> = (0..60).map(|i| format!("payments/{}/{i}", "x".repeat(300))).collect();
    large["spec"]["paths"][0]["globs"] = json!(globs);
    api.apply(&large).await?;
    let detail = api.get("/v1/changes?limit=1").await?.ok().body["items"][0]["detail"].clone();
    assert!(detail["spec"].is_null() && detail["specOmittedBytes"].as_u64().unwrap() > 16_384, "{detail}");
    Ok(())
}

#[tokio::test]
async fn opening_an_epoch_ends_every_hold_and_keeps_the_reason() -> Result<()> {
    let api = Api::start().await?;
    api.apply(&cluster_manifest("eu-1", "prod")).await?;
    let held =
        async || -> Result<serde_json::Value> { Ok(api.get("/v1/clusters/eu-1").await?.ok().body["status"]["held"].clone()) };
    {
        let mut connection = api.app.pool.acquire().await?;
        let id = cluster::get(&mut connection, "eu-1").await?.id;
        cluster::hold(&mut connection, id.into(), "knows more than the registry").await?;
    }
    assert_eq!(held().await?, "knows more than the registry");
    registry::set_held(&mut *api.app.pool.acquire().await?, Some("the history was cut")).await?;
    // What holds every cluster is what each of them shows.
    assert_eq!(held().await?, "the history was cut");
    let epoch = api.get("/v1/epoch").await?.ok().body;
    assert_eq!((&epoch["epoch"], &epoch["held"], &epoch["heldClusters"]), (&json!(1), &json!("the history was cut"), &json!(1)));

    let open = api.post("/v1/epoch", Some(&json!({"reason": " restored from Tuesday "}))).await?.ok().body;
    assert_eq!((&open["epoch"], &open["held"], &open["heldClusters"]), (&json!(2), &json!(null), &json!(0)));
    assert_eq!(open["seq"], api.seq().await?);
    assert_eq!(api.get("/v1/epoch").await?.ok().body, open);
    assert!(held().await?.is_null());
    let change = api.get("/v1/changes?limit=1").await?.ok().body["items"][0].clone();
    assert_eq!((&change["epoch"], &change["detail"]["reason"]), (&json!(2), &json!("restored from Tuesday")));
    assert_eq!(change["detail"]["heldBecause"], "the history was cut");
    Ok(())
}
