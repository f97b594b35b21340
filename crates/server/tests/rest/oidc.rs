//! Callers that an OIDC issuer vouches for, such as a CI job.

use std::sync::Arc;

use anyhow::Result;
use lockstep_server::oidc::{Issuers, Pace};
use serde_json::{Value, json};

use crate::fixture::{Api, binding, role_assignment};
use crate::idp::{Idp, changed};

/// An API that accepts tokens of this issuer, known as `bao`.
async fn trusting(idp: &Idp<'_>) -> Result<Api> {
    let mut api = Api::start().await?;
    api.app.issuers = Arc::new(Issuers::with_pace(&[idp.config(&json!({}))], Pace::default())?);
    api.serve_anew();
    api.furnish().await?;
    Ok(api)
}

fn to(subject: &Value) -> Value {
    let mut assignment = role_assignment();
    assignment["spec"]["subjects"] = json!([subject]);
    assignment
}

#[tokio::test]
async fn a_job_applies_its_teams_manifests_with_the_token_of_its_own_issuer() -> Result<()> {
    let idp = Idp::shared().await?;
    idp.make_key("job", "ES256").await?;
    let (api, token) = (trusting(&idp).await?, idp.token("job").await?);
    let put = async || api.send_as(&token, "PUT", "/v1/bindings/checkout-db", &[], Some(&binding())).await;
    let who = async || anyhow::Ok(api.send_as(&token, "GET", "/v1/caller", &[], None).await?.ok().body);
    let actor = format!("oidc:bao:{}", idp.entity);

    // Known, and nobody has given it anything.
    assert_eq!(who().await?, json!({"actor": actor, "access": []}));
    assert_eq!(put().await?.code(), "forbidden");
    // Another issuer's group of that name is another group.
    api.apply(&to(&json!({"issuer": "gitlab", "group": idp.group}))).await?;
    assert_eq!(put().await?.code(), "forbidden");

    api.apply(&to(&json!({"issuer": "bao", "group": idp.group}))).await?;
    assert_eq!(who().await?["access"], json!([{"role": "operator", "scope": {"project": "payments"}}]));
    assert_eq!(put().await?.ok().status, 201);
    let change = &api.get("/v1/changes?subject=binding/checkout-db").await?.ok().body["items"][0];
    assert_eq!(change["actor"], actor, "the history names who it was");
    assert_eq!(api.send_as(&token, "DELETE", "/v1/grants/payments-prod", &[], None).await?.code(), "forbidden");

    // By name, too; and what is taken away counts at once.
    api.apply(&to(&json!({"issuer": "bao", "user": idp.entity}))).await?;
    assert_eq!(put().await?.ok().status, 200);
    api.delete("/v1/roleassignments/payments-deploy").await?.ok();
    assert_eq!(put().await?.code(), "forbidden");
    Ok(())
}

#[tokio::test]
async fn a_token_that_is_not_as_its_issuer_signed_it_is_refused_with_the_reason() -> Result<()> {
    let idp = Idp::shared().await?;
    idp.make_key("forged", "ES256").await?;
    let (api, token) = (trusting(&idp).await?, idp.token("forged").await?);
    for (token, why) in [
        (changed(&token, &json!({}), &json!({"groups": ["admins"]})), "signature is not one of bao"),
        (changed(&token, &json!({}), &json!({"aud": "another"})), "ask bao for one for"),
        (changed(&token, &json!({}), &json!({"iss": "https://issuer.example"})), "are not accepted here"),
        (changed(&token, &json!({"alg": "none"}), &json!({})), "kind that is not accepted"),
    ] {
        let answer = api.send_as(&token, "GET", "/v1/caller", &[], None).await?;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "unauthenticated"));
        assert!(answer.text.contains(why), "{}", answer.text);
        assert!(!answer.text.contains(&token), "a token is never repeated");
    }
    Ok(())
}

#[tokio::test]
async fn an_issuer_that_is_away_is_not_the_callers_fault() -> Result<()> {
    let idp = Idp::shared().await?;
    idp.make_key("away", "ES256").await?;
    let (mut api, token) = (trusting(&idp).await?, idp.token("away").await?);
    // Nobody listens there; what the token says is still that issuer's.
    let mut config = idp.config(&json!({}));
    config.issuer = "http://127.0.0.1:9/v1/identity/oidc".to_owned();
    api.app.issuers = Arc::new(Issuers::with_pace(&[config], Pace::default())?);
    api.serve_anew();
    let token = changed(&token, &json!({}), &json!({"iss": "http://127.0.0.1:9/v1/identity/oidc"}));
    let answer = api.send_as(&token, "GET", "/v1/caller", &[], None).await?;
    assert_eq!((answer.status.as_u16(), answer.code(), answer.header("retry-after")), (503, "issuer-unavailable", "5"));
    Ok(())
}
