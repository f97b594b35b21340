use std::sync::Arc;

use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::fixture::Api;

#[tokio::test]
async fn somebody_without_a_token_is_told_where_people_log_in_and_nothing_of_where_machines_do() -> Result<()> {
    let mut api = Api::start().await?;
    let mut config = (*api.app.config).clone();
    config.oidc = serde_json::from_value(json!([
        {"name": "people", "issuer": "https://sso.example.com", "audience": "lockstep", "clientId": "cli", "scopes": ["openid", "email"]},
        {"name": "ci", "issuer": "https://ci.example.com", "audience": "lockstep"},
    ]))?;
    api.app.config = Arc::new(config);
    api.serve_anew();
    let answer = api.raw(Request::builder().uri("/login-methods").body(Body::empty())?).await?.ok();
    let people = json!({"name": "people", "issuer": "https://sso.example.com", "clientId": "cli", "scopes": ["openid", "email"]});
    assert_eq!(answer.body, json!({ "oidc": [people] }));
    Ok(())
}
