//! Answers that no real issuer could be made to give.

use anyhow::Result;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lockstep_server::oidc::{Failure, Issuers, Refused};
use serde_json::json;
use tokio::net::TcpListener;

use crate::fixture::{AUDIENCE, config, judge};

/// Why a token of an issuer is refused that answers like this.
async fn refused(discovery: impl Fn(&str) -> Response, keys: fn() -> Response) -> Result<Refused> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let issuer = format!("http://{}", listener.local_addr()?);
    let answer = discovery(&issuer);
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await?;
    let discovery = move || async move { Response::from_parts(parts, Body::from(body)) };
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/keys", get(move || async move { keys() }));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "iss": issuer, "aud": AUDIENCE, "exp": 9_999_999_999_i64, "sub": "a" });
    let token = format!("{}.{}.c2ln", encode(json!({ "alg": "RS256", "kid": "k" })), encode(claims));
    let refused = judge(&Issuers::new(&[config(&issuer, &json!({}))])?, &token).await;
    serving.abort();
    Ok(refused.unwrap_err())
}

/// What such an issuer fails with.
async fn failure(discovery: impl Fn(&str) -> Response, keys: fn() -> Response) -> Result<Failure> {
    match refused(discovery, keys).await? {
        Refused::Unavailable { why, .. } => Ok(why),
        other => panic!("{other}"),
    }
}

fn document(issuer: &str) -> Response {
    json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") }).to_string().into_response()
}

fn redirect() -> Response {
    (StatusCode::FOUND, [(header::LOCATION, "https://other.example.com/keys")]).into_response()
}

fn too_large() -> Response {
    " ".repeat(300 << 10).into_response()
}

#[tokio::test]
async fn what_is_no_answer_is_told_by_what_it_is_and_no_redirect_is_followed() -> Result<()> {
    const DISCOVERY: &str = "discovery document";
    const KEYS: &str = "key set";
    let none = || "{\"keys\": []}".into_response();
    assert_eq!(failure(|_| redirect(), none).await?, Failure::Status { what: DISCOVERY, status: 302 });
    assert_eq!(failure(document, redirect).await?, Failure::Status { what: KEYS, status: 302 });
    assert_eq!(failure(|_| too_large(), none).await?, Failure::TooLarge { what: DISCOVERY });
    assert_eq!(failure(document, too_large).await?, Failure::TooLarge { what: KEYS });
    assert_eq!(failure(|_| "<html>".into_response(), none).await?, Failure::Document { what: DISCOVERY });
    assert_eq!(failure(document, || "<html>".into_response()).await?, Failure::Document { what: KEYS });
    let elsewhere = |issuer: &str| json!({ "issuer": issuer, "jwks_uri": "http://keys.example.com" }).to_string().into_response();
    assert_eq!(failure(elsewhere, none).await?, Failure::KeysAddress);
    Ok(())
}

#[tokio::test]
async fn an_issuer_that_has_no_keys_any_more_is_taken_at_its_word() -> Result<()> {
    let refused = refused(document, || "{\"keys\": []}".into_response()).await?;
    assert_eq!(refused, Refused::UnknownKey { issuer: "bao".to_owned() });
    Ok(())
}
