use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use lockstep_server::token::{Kind, mint};
use serde_json::json;

use crate::fixture::{ACTOR, Api, project};

#[tokio::test]
async fn every_endpoint_of_v1_wants_a_known_token_and_says_how_to_get_in() -> Result<()> {
    let api = Api::start().await?;
    let described = api.get("/openapi.json").await?.ok().body;
    let mut asked = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            let uri = path.replace("{name}", "x");
            let request = || Request::builder().method(method.as_str()).uri(&uri);
            let answer = api.raw(request().body(Body::empty())?).await?;
            if !path.starts_with("/v1/") {
                assert!(answer.status.is_success(), "{method} {path}: {}", answer.status);
                continue;
            }
            // 401 and neither 404 nor 405: what is described is there, and closed.
            assert_eq!((answer.status.as_u16(), answer.code()), (401, "unauthenticated"), "{method} {path}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
            assert!(answer.body["detail"].as_str().unwrap().contains("lockstep login"), "{}", answer.text);
            let stranger = request().header("authorization", format!("Bearer {}", mint(Kind::Api)?));
            assert_eq!(api.raw(stranger.body(Body::empty())?).await?.status, 401, "{method} {path}");
            asked += 1;
        }
    }
    assert!(asked >= 30 + 15, "{asked}");
    Ok(())
}

#[tokio::test]
async fn other_schemes_and_revoked_tokens_are_refused() -> Result<()> {
    let api = Api::start().await?;
    for header in ["Basic dG9rZW46eA==".to_owned(), api.token.clone(), "Bearer".to_owned(), "Bearer ".to_owned(), String::new()] {
        let request = Request::builder().uri("/v1/caller").header("authorization", &header).body(Body::empty())?;
        assert_eq!(api.raw(request).await?.status, 401, "{header:?}");
    }
    let lower = Request::builder().uri("/v1/caller").header("authorization", format!("bearer {}", api.token));
    assert_eq!(
        api.raw(lower.body(Body::empty())?).await?.ok().body,
        json!({"actor": ACTOR, "access": [{"role": "admin", "scope": {"everything": true}}]})
    );
    api.sql("update api_token set revoked_at = now()").await?;
    assert_eq!(api.get("/v1/caller").await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn without_a_caller_nothing_is_written() -> Result<()> {
    let api = Api::start().await?;
    let seq = api.seq().await?;
    let request = Request::builder().method("PUT").uri("/v1/projects/payments").header("content-type", "application/json");
    assert_eq!(api.raw(request.body(Body::from(project().to_string()))?).await?.status, 401);
    assert_eq!(api.seq().await?, seq);
    Ok(())
}
