use anyhow::Result;
use serde_json::json;

use crate::fixture::Api;

const PATH: &str = "/v1/logfilter";

#[tokio::test]
async fn what_is_logged_is_asked_for_by_an_admin_with_an_end_and_stays_in_the_history() -> Result<()> {
    let api = Api::start().await?;
    assert_eq!(api.get(PATH).await?.ok().body, json!({"configured": ""}));
    let asked = api.put(PATH, &json!({"filter": "info,lockstep_server=debug"})).await?.ok().body;
    assert_eq!((&asked["filter"], &asked["actor"]), (&json!("info,lockstep_server=debug"), &json!("token:tester")));
    assert!(asked["until"].is_string(), "an hour, if nothing is said: {asked}");
    assert_eq!(api.get(PATH).await?.ok().body, asked);
    let change = api.get("/v1/changes?limit=1").await?.ok().body["items"][0].clone();
    assert_eq!((&change["kind"], &change["detail"]["seconds"]), (&json!("LogFilterSet"), &json!(3600)), "{change}");
    let ended = api.send("DELETE", PATH, &[], None).await?.ok().body;
    assert_eq!(ended, json!({"configured": ""}));
    Ok(())
}

#[tokio::test]
async fn what_was_asked_for_ends_by_postgres_clock() -> Result<()> {
    let api = Api::start().await?;
    api.put(PATH, &json!({"filter": "debug", "seconds": 60})).await?.ok();
    assert_eq!(api.get(PATH).await?.ok().body["filter"], "debug");
    api.sql("update change set at = at - interval '61 seconds' where kind = 'LogFilterSet'").await?;
    assert_eq!(api.get(PATH).await?.ok().body, json!({"configured": ""}));
    Ok(())
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_or_has_no_end_is_refused_with_an_example() -> Result<()> {
    let api = Api::start().await?;
    for (body, field) in [
        (json!({"filter": ""}), "filter"),
        (json!({"filter": "info,lockstep_server=loud"}), "lockstep_server::watch=debug"),
        (json!({"filter": "x".repeat(501)}), "filter"),
        (json!({"filter": "debug", "seconds": 0}), "seconds"),
        (json!({"filter": "debug", "seconds": 86_401}), "seconds"),
    ] {
        let answer = api.put(PATH, &body).await?;
        assert_eq!((answer.status.as_u16(), answer.code()), (422, "invalid-manifest"), "{body}: {}", answer.text);
        assert!(answer.text.contains(field), "{}", answer.text);
    }
    Ok(())
}
