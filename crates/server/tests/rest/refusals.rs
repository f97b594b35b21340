//! Who was refused what.

use anyhow::Result;
use serde_json::json;

use crate::fixture::{Api, binding, grant, project};

#[tokio::test]
async fn a_refused_write_is_noted_once_with_how_often_it_was_tried() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    let token = api.mint("ci", "operator", &json!({"project": "payments"})).await?;
    let seq = api.seq().await?;
    for _ in 0..3 {
        assert_eq!(api.send_as(&token, "PUT", "/v1/grants/payments-prod", &[], Some(&grant())).await?.status, 403);
    }
    let mut bad = binding();
    bad["spec"]["target"]["secret"]["template"] = json!({"leaked": "CANARY-IN-A-BODY"});
    assert_eq!(api.send_as(&token, "PUT", "/v1/bindings/checkout-db", &[], Some(&bad)).await?.status, 422);
    assert_eq!(api.send_as(&token, "GET", "/v1/refusals", &[], None).await?.status, 403);
    // What was not found, or was not as expected, is nobody's refusal.
    assert_eq!(api.send_as(&token, "GET", "/v1/bindings/nothing", &[], None).await?.status, 404);
    let answer = api.get("/v1/refusals").await?.ok();
    let seen: Vec<_> =
        answer.body["items"].as_array().unwrap().iter().map(|r| (&r["action"], &r["subject"], &r["code"], &r["times"])).collect();
    assert_eq!(
        seen,
        [
            (&json!("GET /v1/refusals"), &json!("/v1/refusals"), &json!("forbidden"), &json!(1)),
            (&json!("PUT /v1/bindings/{name}"), &json!("/v1/bindings/checkout-db"), &json!("invalid-manifest"), &json!(1)),
            (&json!("PUT /v1/grants/{name}"), &json!("/v1/grants/payments-prod"), &json!("forbidden"), &json!(3)),
        ]
    );
    let told = &answer.body["items"][2];
    assert_eq!(told["actor"], "token:ci");
    assert!(told["reason"].as_str().unwrap().contains("the role admin"), "{told}");
    assert!(told["firstAt"].as_str() < told["lastAt"].as_str(), "{told}");
    assert!(!answer.text.contains("CANARY"), "a body may hold anything, and is not kept");
    assert_eq!(api.seq().await?, seq, "the history cannot be filled so");
    assert_eq!(api.get("/v1/refusals?actor=token:other").await?.ok().body["items"], json!([]));
    Ok(())
}

#[tokio::test]
async fn the_oldest_refusals_are_forgotten_by_age_and_by_number() -> Result<()> {
    let api = Api::start().await?;
    api.apply(&project()).await?;
    api.sql(
        "insert into refusal (actor, action, subject, code, reason, last_at) \
         select 'token:a', 'GET /', n::text, 'forbidden', '', now() - make_interval(secs => n) from generate_series(1, 10100) n",
    )
    .await?;
    api.sql("insert into refusal (actor, action, subject, code, reason, last_at) values ('token:b', 'GET /', 'old', 'forbidden', '', now() - interval '91 days')").await?;
    let mut connection = api.app.pool.acquire().await?;
    let forgotten = lockstep_store::refusal::tidy(&mut connection).await?;
    let left: i64 = sqlx::query_scalar("select count(*) from refusal").fetch_one(&mut *connection).await?;
    assert_eq!((forgotten, left), (101, 10_000));
    Ok(())
}
