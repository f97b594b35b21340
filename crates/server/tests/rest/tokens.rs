//! API tokens.

use anyhow::Result;
use serde_json::{Value, json};

use crate::fixture::{ACTOR, Api, binding, project};

fn wish(name: &str, role: &str, scope: &Value) -> Value {
    json!({"name": name, "role": role, "scope": scope})
}

#[tokio::test]
async fn a_token_is_shown_once_and_listed_without_what_could_be_used() -> Result<()> {
    let api = Api::start().await?;
    api.apply(&project()).await?;
    let mut wanted = wish("ci", "operator", &json!({"project": "payments"}));
    wanted["ttlSeconds"] = json!(3600);
    wanted["description"] = json!("deploys checkout");
    let minted = api.post("/v1/tokens", Some(&wanted)).await?.ok();
    assert_eq!((minted.status.as_u16(), minted.header("cache-control")), (201, "no-store"));
    let token = minted.body["token"].as_str().unwrap();
    assert!(token.starts_with("lsat_") && token.len() > 40, "{}", token.len());
    let caller = api.send_as(token, "GET", "/v1/caller", &[], None).await?.ok();
    let access = json!([{"role": "operator", "scope": {"project": "payments"}}]);
    assert_eq!(caller.body, json!({"actor": "token:ci", "access": access}));

    let listed = api.get("/v1/tokens").await?.ok();
    let ci = listed.body["items"].as_array().unwrap().iter().find(|t| t["name"] == "ci").unwrap();
    assert_eq!((&ci["access"], &ci["description"]), (&access, &json!("deploys checkout")));
    assert_eq!(ci["expiresAt"], minted.body["expiresAt"]);
    assert!(ci["lastUsedAt"].is_string(), "{ci}");
    let tester = listed.body["items"].as_array().unwrap().iter().find(|t| t["name"] == "tester").unwrap();
    assert!(tester["expiresAt"].is_null(), "the first one ends only when it is revoked: {tester}");
    for text in [&listed.text, &api.get("/v1/changes").await?.ok().text] {
        assert!(!text.contains(token), "it is shown again");
    }
    let change = &api.get("/v1/changes?subject=token/ci").await?.ok().body["items"][0];
    assert_eq!((&change["kind"], &change["actor"]), (&json!("ApiTokenMinted"), &json!(ACTOR)));
    assert_eq!(change["detail"], json!({"access": access[0], "ttlSeconds": 3600, "project": "payments"}));
    Ok(())
}

#[tokio::test]
async fn a_token_ends_when_it_is_revoked_and_when_its_time_is_over() -> Result<()> {
    let api = Api::start().await?;
    let everything = json!({"everything": true});
    let ask = async |token: &str| anyhow::Ok(api.send_as(token, "GET", "/v1/projects", &[], None).await?.status.as_u16());
    let revoked = api.mint("revoked", "viewer", &everything).await?;
    let over = api.mint("over", "viewer", &everything).await?;
    assert_eq!((ask(&revoked).await?, ask(&over).await?), (200, 200));
    assert_eq!(api.delete("/v1/tokens/revoked").await?.ok().status, 204);
    api.sql("update api_token set expires_at = now() where name = 'over'").await?;
    assert_eq!((ask(&revoked).await?, ask(&over).await?), (401, 401));
    assert_eq!(api.delete("/v1/tokens/revoked").await?.code(), "not-found");
    assert!(!api.get("/v1/tokens").await?.ok().text.contains("revoked"));
    // Its name may be another's then; the old one stays dead.
    let again = api.mint("revoked", "viewer", &everything).await?;
    assert_eq!((ask(&again).await?, ask(&revoked).await?), (200, 401));
    let taken = api.post("/v1/tokens", Some(&wish("revoked", "viewer", &everything))).await?;
    assert_eq!((taken.status.as_u16(), taken.code()), (409, "already-exists"));
    // Whoever lost his own need not ask.
    assert_eq!(api.send_as(&again, "DELETE", "/v1/tokens/revoked", &[], None).await?.ok().status, 204);
    assert_eq!(ask(&again).await?, 401);
    Ok(())
}

#[tokio::test]
async fn an_admin_gives_what_is_his_and_no_more() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    let payments = json!({"project": "payments"});
    let prod = json!({"clusters": {"matchLabels": {"env": "prod"}}});
    let lead = api.mint("lead", "admin", &payments).await?;
    let fleet = api.mint("fleet", "admin", &prod).await?;
    let mint = async |token: &str, name: &str, scope: &Value| {
        let answer = api.send_as(token, "POST", "/v1/tokens", &[], Some(&wish(name, "operator", scope))).await?;
        anyhow::Ok(answer.status.as_u16())
    };
    assert_eq!(mint(&lead, "of-lead", &payments).await?, 201);
    assert_eq!(mint(&fleet, "of-fleet", &prod).await?, 201);
    for (token, scope) in [
        (&lead, json!({"everything": true})),
        (&lead, json!({"project": "billing"})),
        (&lead, prod.clone()),
        (&fleet, payments.clone()),
        (&fleet, json!({"clusters": {}})),
    ] {
        assert_eq!(mint(token, "more", &scope).await?, 403, "{scope}");
    }
    let names = async |token: &str| {
        let answer = api.send_as(token, "GET", "/v1/tokens", &[], None).await?.ok();
        let items = answer.body["items"].as_array().unwrap().clone();
        anyhow::Ok(items.iter().map(|t| t["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(names(&lead).await?, ["lead", "of-lead"]);
    assert_eq!(names(&fleet).await?, ["fleet", "of-fleet"]);
    assert_eq!(api.send_as(&lead, "DELETE", "/v1/tokens/of-fleet", &[], None).await?.status, 403);
    assert_eq!(api.send_as(&lead, "DELETE", "/v1/tokens/of-lead", &[], None).await?.ok().status, 204);
    // A project that somebody has a role in stays.
    api.delete("/v1/grants/payments-prod").await?.ok();
    let used = api.delete("/v1/projects/payments").await?;
    assert_eq!(used.code(), "in-use");
    assert!(used.text.contains("1 role in role assignments or API tokens"), "{}", used.text);
    Ok(())
}

#[tokio::test]
async fn every_mistake_in_a_wish_is_named() -> Result<()> {
    let api = Api::start().await?;
    let seq = api.seq().await?;
    let wish = json!({"name": "C I", "role": "root", "scope": {"everything": true, "project": "a"}, "ttlSeconds": 5});
    let answer = api.post("/v1/tokens", Some(&wish)).await?;
    assert_eq!((answer.code(), answer.fields()), ("invalid-manifest", vec!["name", "role", "scope", "ttlSeconds"]));
    let nowhere = json!({"name": "ci", "role": "viewer", "scope": {"project": "nowhere"}});
    assert_eq!(api.post("/v1/tokens", Some(&nowhere)).await?.fields(), ["scope.project"]);
    assert_eq!(api.seq().await?, seq);
    Ok(())
}

#[tokio::test]
async fn a_token_from_before_there_were_roles_may_do_what_it_could() -> Result<()> {
    let api = Api::start().await?;
    let hash = hex::encode(lockstep_server::token::hash("lsat_of-old"));
    api.sql(&format!("insert into api_token (name, hash) values ('old', '\\x{hash}')")).await?;
    api.furnish().await?;
    let answer = api.send_as("lsat_of-old", "PUT", "/v1/bindings/checkout-db", &[], Some(&binding())).await?;
    assert_eq!(answer.ok().status, 201);
    Ok(())
}
