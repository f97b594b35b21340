//! Tokens that are not valid, again and again.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Result;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use lockstep_server::rest::Peer;
use lockstep_server::token::{Kind, mint};

use crate::fixture::{Answer, Api};

const BAD: &str = "192.0.2.1";
const GOOD: &str = "192.0.2.2";

/// As few failures as can be told apart.
async fn api(of_address: u32, overall: u32) -> Result<Api> {
    let mut api = Api::start().await?;
    let mut config = (*api.app.config).clone();
    config.rest.failed_logins_per_minute = of_address;
    config.rest.failed_logins_per_minute_overall = overall;
    api.app.config = Arc::new(config);
    api.serve_anew();
    Ok(api)
}

async fn from(api: &Api, address: &str, token: Option<&str>) -> Result<Answer> {
    let mut request = Request::builder().uri("/v1/caller");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut request = request.body(Body::empty())?;
    request.extensions_mut().insert(ConnectInfo(Peer(address.parse::<IpAddr>()?)));
    api.raw(request).await
}

async fn wrong(api: &Api, address: &str) -> Result<Answer> {
    from(api, address, Some(&mint(Kind::Api)?)).await
}

fn hits(api: &Api, limit: &str) -> u64 {
    api.app.metrics.limit_hits.with_label_values(&[limit]).get()
}

#[tokio::test]
async fn after_too_many_wrong_tokens_from_an_address_others_are_answered_with_429_and_valid_ones_pass() -> Result<()> {
    let api = api(3, 1_000).await?;
    for _ in 0..3 {
        assert_eq!(wrong(&api, BAD).await?.status, 401);
    }
    let refused = wrong(&api, BAD).await?;
    assert_eq!((refused.status.as_u16(), refused.code(), refused.header("retry-after")), (429, "too-many-failures", "60"));
    assert_eq!((hits(&api, "login_address"), hits(&api, "login_overall")), (1, 0));
    assert!(from(&api, BAD, Some(&api.token)).await?.status.is_success(), "whoever shares the address is not locked out");
    assert_eq!(wrong(&api, GOOD).await?.status, 401, "nor is anybody elsewhere limited");
    assert_eq!(from(&api, BAD, None).await?.status, 401, "without a token nothing is guessed");
    Ok(())
}

#[tokio::test]
async fn many_addresses_together_have_a_limit_and_valid_tokens_pass_all_the_same() -> Result<()> {
    let api = api(3, 4).await?;
    for n in 0..4 {
        assert_eq!(wrong(&api, &format!("198.51.100.{n}")).await?.status, 401);
    }
    assert_eq!(wrong(&api, GOOD).await?.status, 429);
    assert_eq!((hits(&api, "login_address"), hits(&api, "login_overall")), (0, 1));
    assert!(from(&api, GOOD, Some(&api.token)).await?.status.is_success());
    Ok(())
}

#[tokio::test]
async fn a_flood_of_wrong_tokens_keeps_nobody_with_a_valid_one_out() -> Result<()> {
    let api = api(1, 1_000).await?;
    wrong(&api, BAD).await?;
    let flood = futures::future::join_all((0..200).map(|_| wrong(&api, BAD)));
    let (flood, valid) = tokio::join!(flood, from(&api, BAD, Some(&api.token)));
    for answer in flood {
        assert_eq!(answer?.status, 429);
    }
    assert!(valid?.status.is_success());
    Ok(())
}
