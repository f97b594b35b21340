use std::path::Path;

use anyhow::Result;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use lockstep_server::rest;
use lockstep_testbed::Postgres;
use tower::ServiceExt as _;

use crate::fixture::{Api, project};

#[tokio::test]
async fn without_postgres_the_answer_is_a_503_that_says_to_try_again() -> Result<()> {
    let postgres = Postgres::start().await?;
    let api = Api::on(&postgres).await?;
    api.apply(&project()).await?;
    assert_eq!(api.get("/readyz").await?.ok().text, "ready\n");
    postgres.stop().await?;
    for (method, path) in [
        ("GET", "/readyz"),
        ("GET", "/v1/projects"),
        ("GET", "/v1/nothing"),
        ("PUT", "/v1/projects/payments"),
        ("GET", "/v1/epoch"),
    ] {
        let answer = api.send(method, path, &[], Some(&project())).await?;
        if path == "/v1/nothing" {
            assert_eq!(answer.status, 404);
            continue;
        }
        assert_eq!((answer.status.as_u16(), answer.code()), (503, "registry-unavailable"), "{method} {path}: {}", answer.text);
        assert!(!answer.header("retry-after").is_empty());
    }
    assert_eq!(api.get("/healthz").await?.ok().text, "ok\n");
    postgres.start_again().await?;
    api.get("/v1/projects/payments").await?.ok();
    Ok(())
}

#[tokio::test]
async fn the_plain_listener_shows_metrics_and_health_and_nothing_else() -> Result<()> {
    let api = Api::start().await?;
    api.get("/v1/projects").await?.ok();
    for (path, status, want) in [
        ("/metrics", 200, "lockstep_http_requests_total{method=\"GET\",status=\"200\"} 1"),
        ("/healthz", 200, "ok"),
        ("/readyz", 200, "ready"),
        ("/v1/projects", 404, "no-such-path"),
        ("/openapi.json", 404, "no-such-path"),
    ] {
        let answer = rest::observability(api.app.clone()).oneshot(Request::builder().uri(path).body(Body::empty())?).await?;
        assert_eq!(answer.status(), status, "{path}");
        let text = String::from_utf8(to_bytes(answer.into_body(), 1 << 20).await?.to_vec())?;
        assert!(text.contains(want), "{path}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn the_api_is_described_on_a_page_that_loads_nothing_from_elsewhere() -> Result<()> {
    let api = Api::start().await?;
    let page = api.get("/docs/").await?.ok();
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    let kind = |file: &str| Path::new(file).extension().and_then(|kind| kind.to_str()).map(str::to_owned).unwrap_or_default();
    let named = page.text.split(['"', '\'']).filter(|word| ["js", "css"].contains(&kind(word).as_str()));
    let files: Vec<&str> = named.map(|file| file.trim_start_matches("./")).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let answer = api.get(&format!("/docs/{file}")).await?.ok();
        assert!(answer.header("content-type").contains(if kind(file) == "js" { "javascript" } else { "css" }), "{file}");
        assert!(file != "swagger-initializer.js" || answer.text.contains("/openapi.json"), "{}", answer.text);
    }
    assert_eq!(api.get("/docs/nothing.js").await?.code(), "no-such-path");
    assert_eq!(api.get("/docs").await?.header("location"), "/docs/");
    Ok(())
}

#[tokio::test]
async fn a_change_that_gave_way_to_another_is_a_503_that_says_to_try_again() -> Result<()> {
    let api = Api::start().await?;
    for code in ["40P01", "40001"] {
        api.sql(&format!(
            "create or replace function give_way() returns trigger language plpgsql as \
             $$ begin raise exception 'deadlock' using errcode = '{code}'; end $$"
        ))
        .await?;
        api.sql("create or replace trigger give_way before insert on project for each row execute function give_way()").await?;
        let answer = api.put("/v1/projects/payments", &project()).await?;
        assert_eq!((answer.status.as_u16(), answer.code()), (503, "registry-unavailable"), "{code}: {}", answer.text);
        assert!(!answer.header("retry-after").is_empty() && answer.text.contains("try again"), "{}", answer.text);
    }
    Ok(())
}
