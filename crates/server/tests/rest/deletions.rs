//! Deletions that the guard holds back, and clusters that are removed.

use anyhow::Result;
use serde_json::json;

use crate::fixture::{Api, binding};

/// Binding `checkout-db` deletes what it delivered; cluster `eu-1` has it, and its agent is connected.
async fn delivered() -> Result<Api> {
    let api = Api::start().await?;
    api.furnish().await?;
    let mut binding = binding();
    binding["spec"]["deletionPolicy"] = json!("Delete");
    api.apply(&binding).await?;
    api.sql("update cluster set state = 'Active', instance_id = gen_random_uuid()").await?;
    api.sql(
        "insert into delivery (binding_id, cluster_id, epoch, seq, outcome, at, applied_epoch, applied_seq, applied_key, applied_digest) \
         select binding_id, cluster_id, epoch, seq, 'Applied', now(), epoch, seq, 'k', '\\x01' from desired \
         where cluster_id = (select id from cluster where name = 'eu-1')",
    )
    .await?;
    Ok(api)
}

#[tokio::test]
async fn held_deletions_show_and_are_confirmed_once_up_to_now() -> Result<()> {
    let api = delivered().await?;
    api.delete("/v1/bindings/checkout-db").await?.ok();
    let path = "/v1/clusters/eu-1/confirm-deletions";
    let wanted = json!({"cluster": "eu-1", "deletions": 1, "bindings": ["checkout-db"]});
    let before = api.get("/v1/clusters/eu-1").await?.ok();
    assert_eq!((&before.body["status"]["deletionsHeld"], before.body["status"]["conditions"].get(1)), (&json!(0), None));
    api.sql("update cluster set deletions_held = 3 where name = 'eu-1'").await?;
    let held = &api.get("/v1/clusters/eu-1").await?.ok().body["status"];
    let condition = &held["conditions"][1];
    assert_eq!(
        (&held["deletionsHeld"], &condition["type"], &condition["status"]),
        (&json!(3), &json!("DeletionsHeld"), &json!("True"))
    );
    let message = condition["message"].as_str().unwrap();
    assert!(message.contains("holds back 3 deletions") && message.contains("`lockstep confirm eu-1`"), "{message}");

    let seq = api.seq().await?;
    let tried = api.post(&format!("{path}?dryRun=All"), None).await?.ok();
    assert_eq!((&tried.body, tried.header("lockstep-result"), api.seq().await?), (&wanted, "configured", seq));
    let stale = api.send("POST", path, &[("if-match", "\"1\"")], None).await?;
    assert_eq!(stale.code(), "conflict");
    let confirmed = api.send("POST", path, &[("if-match", before.header("etag"))], None).await?.ok();
    assert_eq!((&confirmed.body, confirmed.header("lockstep-result"), api.seq().await?), (&wanted, "configured", seq + 1));
    let change = &api.get("/v1/changes?subject=cluster/eu-1&limit=1").await?.ok().body["items"][0];
    assert_eq!((&change["kind"], &change["actor"]), (&json!("DeletionsConfirmed"), &json!("token:tester")));
    assert_eq!(change["detail"], json!({"deletions": 1, "bindings": ["checkout-db"]}));
    let after = api.get("/v1/clusters/eu-1").await?.ok();
    assert_eq!((&after.body["status"]["deletionsHeld"], after.header("etag")), (&json!(0), before.header("etag")));

    let again = api.post(path, None).await?.ok();
    assert_eq!((&again.body["deletions"], again.header("lockstep-result"), api.seq().await?), (&json!(0), "unchanged", seq + 1));
    assert_eq!(api.post("/v1/clusters/no/confirm-deletions", None).await?.code(), "not-found");
    assert_eq!(api.post(&format!("{path}?dryRun=Some"), None).await?.code(), "invalid-query");
    Ok(())
}

#[tokio::test]
async fn a_removed_cluster_keeps_or_loses_its_secrets_whatever_its_bindings_say() -> Result<()> {
    let api = delivered().await?;
    let policies = async |cluster: &str| -> Result<String> {
        let sql = "select string_agg(p.detail ->> 'placement', ' ') from placement p join cluster c on c.id = p.cluster_id where c.name = $1";
        Ok(sqlx::query_scalar(sql).bind(cluster).fetch_one(&api.app.pool).await?)
    };
    assert_eq!(api.delete("/v1/clusters/eu-1?secrets=purge").await?.code(), "invalid-query");
    assert_eq!(api.delete("/v1/bindings/checkout-db?secrets=Purge").await?.code(), "invalid-query");
    api.delete("/v1/clusters/eu-1?secrets=Purge&dryRun=All").await?.ok();
    assert_eq!(policies("eu-1").await?, "Placed");

    let kept = api.delete("/v1/clusters/eu-1").await?.ok();
    assert_eq!(kept.body["status"]["state"], "Removing");
    assert_eq!(policies("eu-1").await?, r#"{"Removed": "Retain"}"#);
    let seq = api.seq().await?;
    for same in ["", "?secrets=Retain"] {
        api.delete(&format!("/v1/clusters/eu-1{same}")).await?.ok();
        assert_eq!(api.seq().await?, seq, "{same}");
    }
    // The agent has not followed yet, so it can still be said otherwise.
    api.delete("/v1/clusters/eu-1?secrets=Purge").await?.ok();
    assert_eq!(policies("eu-1").await?, r#"{"Removed": "Delete"}"#);
    let change = &api.get("/v1/changes?subject=cluster/eu-1&limit=1").await?.ok().body["items"][0];
    assert_eq!(change["detail"], json!({"placementsChanged": 1, "secrets": "Purge"}));
    let again = api.delete("/v1/clusters/eu-1").await?.ok();
    assert_eq!((again.body["status"]["state"].as_str(), api.seq().await?), (Some("Removing"), seq + 1));
    assert_eq!(policies("eu-1").await?, r#"{"Removed": "Delete"}"#, "as it was said before");
    // That was the confirmation.
    let waiting = api.post("/v1/clusters/eu-1/confirm-deletions", None).await?.ok();
    assert_eq!((&waiting.body["deletions"], waiting.header("lockstep-result")), (&json!(0), "unchanged"));
    assert_eq!(policies("eu-2").await?, "Placed");
    Ok(())
}
