//! OpenBao: writing, sealing, restarting, and what the audit log says.

use anyhow::Result;
use lockstep_testbed::{OpenBao, Refused};
use reqwest::StatusCode;
use serde_json::json;

#[tokio::test]
async fn secrets_survive_sealing_restart_and_kill() -> Result<()> {
    let bao = OpenBao::start().await?;
    bao.enable_kv("kv").await?;
    assert_eq!(bao.kv_put("kv", "team/db", &json!({ "password": "one" })).await?, 1);
    assert_eq!(bao.kv_put("kv", "team/db", &json!({ "password": "two" })).await?, 2);

    bao.seal().await?;
    let error = bao.kv_get("kv", "team/db").await.expect_err("refused");
    assert_eq!(error.downcast_ref::<Refused>().map(|refused| refused.status), Some(StatusCode::SERVICE_UNAVAILABLE));
    bao.unseal().await?;
    assert_eq!(bao.kv_get("kv", "team/db").await?, json!({ "password": "two" }));

    bao.stop().await?;
    assert!(bao.health().await.is_err());
    bao.start_again().await?;
    bao.kill()?;
    bao.start_again().await?;
    assert_eq!(bao.kv_get_version("kv", "team/db", 1).await?, json!({ "password": "one" }));
    Ok(())
}

#[tokio::test]
async fn versions_can_be_deleted_undeleted_destroyed_and_begun_again() -> Result<()> {
    let bao = OpenBao::shared().await?;
    bao.enable_kv("versions").await?;
    for value in 1..=3 {
        bao.kv_put("versions", "a", &json!({ "value": value })).await?;
    }
    bao.kv_soft_delete("versions", "a", &[3]).await?;
    let error = bao.kv_get("versions", "a").await.expect_err("refused");
    let refused = error.downcast_ref::<Refused>().expect("an answer");
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert_eq!(refused.body["data"]["metadata"]["version"], 3, "404 with a body");
    bao.kv_undelete("versions", "a", &[3]).await?;
    assert_eq!(bao.kv_get("versions", "a").await?, json!({ "value": 3 }));
    bao.kv_destroy("versions", "a", &[2]).await?;
    let metadata = bao.kv_metadata("versions", "a").await?;
    assert_eq!(metadata["current_version"], 3);
    assert_eq!(metadata["versions"]["2"]["destroyed"], true);
    bao.kv_delete_metadata("versions", "a").await?;
    assert_eq!(bao.kv_put("versions", "a", &json!({ "value": 4 })).await?, 1);
    Ok(())
}

#[tokio::test]
async fn the_audit_log_shows_each_path_and_no_value() -> Result<()> {
    let bao = OpenBao::shared().await?;
    bao.enable_kv("audited").await?;
    bao.kv_put("audited", "team/db", &json!({ "password": "hush-hush" })).await?;
    bao.kv_get("audited", "team/db").await?;
    let written = bao.count_requests(|path, operation| path == "audited/data/team/db" && operation == "create")?;
    let read = bao.count_requests(|path, operation| path == "audited/data/team/db" && operation == "read")?;
    assert_eq!((written, read), (1, 1));
    assert!(!std::fs::read_to_string(bao.audit_log())?.contains("hush-hush"));
    Ok(())
}

#[tokio::test]
async fn a_token_may_do_what_its_policy_says() -> Result<()> {
    let bao = OpenBao::shared().await?;
    bao.enable_kv("guarded").await?;
    bao.kv_put("guarded", "mine/a", &json!({ "value": 1 })).await?;
    bao.write_policy("mine", r#"path "guarded/data/mine/*" { capabilities = ["read"] }"#).await?;
    let token = bao.create_token(&["mine"]).await?;
    bao.request_as(&token, "GET", "guarded/data/mine/a", None).await?;
    let error = bao.request_as(&token, "GET", "guarded/data/other", None).await.expect_err("refused");
    assert_eq!(error.downcast_ref::<Refused>().map(|refused| refused.status), Some(StatusCode::FORBIDDEN));
    Ok(())
}

#[tokio::test]
async fn a_pki_engine_comes_with_a_root() -> Result<()> {
    let root = OpenBao::shared().await?.enable_pki("pki").await?;
    assert!(root.starts_with("-----BEGIN CERTIFICATE-----"));
    Ok(())
}
