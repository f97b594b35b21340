use anyhow::Result;
use chrono::{DateTime, Utc};
use lockstep_core::id::InstanceId;
use lockstep_server::token::hash;
use lockstep_store::join_token::{Claim, Refusal, Shown, claim};
use lockstep_testbed::Postgres;
use serde_json::json;

use crate::fixture::{Api, cluster};

/// By an agent that was not told its cluster.
fn shown(hash: &[u8]) -> Shown<'_> {
    Shown { hash, key: b"key", cluster: "" }
}

#[tokio::test]
async fn a_join_token_is_shown_once_and_only_its_hash_is_stored() -> Result<()> {
    let api = Api::start().await?;
    api.apply(&cluster("eu-1", "prod")).await?;
    let answer = api.post("/v1/clusters/eu-1/join-tokens", Some(&json!({"ttlSeconds": 60}))).await?;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, "no-store"), "{}", answer.text);
    let token = answer.body["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("lsjt_") && token.len() > 40);
    assert_eq!(answer.body["pin"], api.app.authority.pin()?);
    assert_eq!(answer.body["cluster"], "eu-1");
    assert_eq!(answer.body["joinAddresses"], json!(["https://localhost:8445"]));
    assert_eq!(answer.body["agentAddresses"], json!(["https://localhost:8444"]));
    let expires: DateTime<Utc> = answer.body["expiresAt"].as_str().unwrap().parse()?;
    let life = expires - lockstep_store::registry::now(&mut *api.app.pool.acquire().await?).await?;
    assert!((1..=60).contains(&life.num_seconds()), "{life}");

    let (plain, hex) = (token.as_str(), hex::encode(hash(&token)));
    for path in ["/v1/changes", "/v1/clusters", "/v1/clusters/eu-1"] {
        let shown = api.get(path).await?.ok().text;
        assert!(!shown.contains(plain) && !shown.contains(&hex), "{path}");
    }
    let rows: Vec<(String,)> = sqlx::query_as("select to_jsonb(t)::text from join_token t").fetch_all(&api.app.pool).await?;
    assert!(rows.len() == 1 && !rows[0].0.contains(plain) && rows[0].0.contains(&hex));

    let mut connection = api.app.pool.acquire().await?;
    let instance: InstanceId = uuid::Uuid::new_v4().into();
    let claimed = claim(&mut connection, &shown(&hash(&token)), instance).await?;
    assert!(matches!(claimed, Claim::Granted { first: true, .. }), "{claimed:?}");
    Ok(())
}

#[tokio::test]
async fn nothing_in_a_dump_of_the_database_lets_anybody_in() -> Result<()> {
    let postgres = Postgres::shared().await?;
    let api = Api::on(postgres).await?;
    api.apply(&cluster("eu-1", "prod")).await?;
    let token = api.post("/v1/clusters/eu-1/join-tokens", None).await?.ok().body["token"].as_str().unwrap().to_owned();
    // Every text of every table, as Postgres itself would print it.
    let tables: Vec<(String,)> = sqlx::query_as("select quote_ident(tablename) from pg_tables where schemaname = 'public'")
        .fetch_all(&api.app.pool)
        .await?;
    assert!(tables.len() > 10);
    for (table,) in tables {
        let sql = sqlx::AssertSqlSafe(format!("select coalesce(string_agg(t::text, ' '), '') from {table} t"));
        let (text,): (String,) = sqlx::query_as(sql).fetch_one(&api.app.pool).await?;
        assert!(!text.contains(&token) && !text.contains(&api.token), "{table}");
    }
    Ok(())
}

#[tokio::test]
async fn open_tokens_can_be_revoked() -> Result<()> {
    let api = Api::start().await?;
    api.apply(&cluster("eu-1", "prod")).await?;
    let token = api.post("/v1/clusters/eu-1/join-tokens", None).await?.ok().body["token"].as_str().unwrap().to_owned();
    let revoked = api.delete("/v1/clusters/eu-1/join-tokens").await?;
    assert_eq!((revoked.status.as_u16(), revoked.text.as_str()), (204, ""));
    let seq = api.seq().await?;
    assert_eq!(api.delete("/v1/clusters/eu-1/join-tokens").await?.status, 204);
    assert_eq!(api.seq().await?, seq, "there was nothing to revoke");
    let mut connection = api.app.pool.acquire().await?;
    let claimed = claim(&mut connection, &shown(&hash(&token)), uuid::Uuid::new_v4().into()).await?;
    assert!(matches!(claimed, Claim::Refused { reason: Refusal::Revoked, .. }), "{claimed:?}");
    Ok(())
}

#[tokio::test]
async fn a_token_lives_an_hour_unless_said_and_a_day_at_most() -> Result<()> {
    let api = Api::start().await?;
    api.apply(&cluster("eu-1", "prod")).await?;
    let path = "/v1/clusters/eu-1/join-tokens";
    for body in [None, Some(json!({})), Some(json!({"ttlSeconds": 86_400}))] {
        let answer = api.post(path, body.as_ref()).await?.ok();
        let change = api.get("/v1/changes?limit=1").await?.ok().body["items"][0].clone();
        let ttl = body.and_then(|b| b["ttlSeconds"].as_u64()).unwrap_or(3_600);
        assert_eq!((&change["detail"]["ttlSeconds"], &change["detail"]["expiresAt"]), (&json!(ttl), &answer.body["expiresAt"]));
    }
    for body in [json!({"ttlSeconds": 0}), json!({"ttlSeconds": 86_401}), json!({"ttlSeconds": -1}), json!({"ttl": 1})] {
        assert_eq!(api.post(path, Some(&body)).await?.code(), "invalid-manifest", "{body}");
    }
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_is_revoked_or_being_removed_gets_no_token_and_loses_its_open_ones() -> Result<()> {
    let api = Api::start().await?;
    api.apply(&cluster("eu-1", "prod")).await?;
    let path = "/v1/clusters/eu-1/join-tokens";
    api.sql("update cluster set state = 'Revoked'").await?;
    assert_eq!(api.post(path, None).await?.code(), "wrong-state");
    api.sql("update cluster set state = 'Paused'").await?;
    let token = api.post(path, None).await?.ok().body["token"].as_str().unwrap().to_owned();
    api.delete("/v1/clusters/eu-1").await?.ok();
    assert_eq!(api.post(path, None).await?.code(), "wrong-state");
    let mut connection = api.app.pool.acquire().await?;
    let claimed = claim(&mut connection, &shown(&hash(&token)), uuid::Uuid::new_v4().into()).await?;
    assert!(matches!(claimed, Claim::Refused { reason: Refusal::Revoked, .. }), "{claimed:?}");
    Ok(())
}
