//! What goes wrong, told apart.

use std::time::Duration;

use lockstep_testbed::{OpenBao, port};
use lockstep_vault::{Cause, Health, LoginFault, VaultError};
use serde_json::json;

use crate::fixture::{client, kv, number, path, with};

#[tokio::test]
async fn a_policys_refusal_and_an_unknown_token_are_told_apart() {
    let (bao, mount, _) = kv("err-token").await;
    bao.kv_put("err-token", "db", &json!({ "p": "x" })).await.unwrap();
    let nothing = client(bao, &bao.create_token(&["default"]).await.unwrap());
    let forbidden = nothing.vault.read(&mount, &path("db"), number(1)).await;
    assert_eq!(forbidden, Err(VaultError::Forbidden { what: "read of err-token/data/db".to_owned() }));
    let unknown = client(bao, "s.unknown");
    let unauthenticated = unknown.vault.read(&mount, &path("db"), number(1)).await;
    assert_eq!(unauthenticated, Err(VaultError::Unauthenticated(LoginFault::TokenRejected)));
}

#[tokio::test]
async fn a_missing_mount_says_nothing_about_a_secret() {
    let bao = OpenBao::shared().await.unwrap();
    let client = client(bao, bao.root_token());
    let nowhere = "err-nowhere".parse().unwrap();
    let metadata = client.vault.metadata(&nowhere, &path("db")).await;
    assert!(matches!(metadata, Err(VaultError::NoMount { .. })), "{metadata:?}");
    let document = client.vault.document(&nowhere, &path("db")).await;
    assert!(matches!(document, Err(VaultError::NoMount { .. })), "{document:?}");
}

#[tokio::test]
async fn a_mount_that_does_not_exist_is_one_more_that_a_policy_forbids_and_both_are_told() {
    let bao = OpenBao::shared().await.unwrap();
    bao.write_policy("err-mount", r#"path "err-mount/*" { capabilities = ["read"] }"#).await.unwrap();
    let client = client(bao, &bao.create_token(&["err-mount"]).await.unwrap());
    let told = client.vault.metadata(&"err-mistyped".parse().unwrap(), &path("db")).await.unwrap_err();
    assert!(matches!(told, VaultError::Forbidden { .. }), "{told:?}");
    let told = told.to_string();
    for hint in [
        "metadata of err-mistyped/metadata/db",
        "extend the policy of the source's credentials",
        "or the mount does not exist",
        "correct the binding's or policy's mount",
    ] {
        assert!(told.contains(hint), "{told}");
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_is_not_read() {
    let (bao, mount, client) = kv("err-large").await;
    bao.kv_put("err-large", "db", &json!({ "p": "x".repeat(20_000) })).await.unwrap();
    assert!(client.vault.read(&mount, &path("db"), number(1)).await.is_ok());
    let small = with(bao.root_token(), |settings| settings.body_max_bytes = 10_000, &[bao.addr()]);
    let read = small.vault.read(&mount, &path("db"), number(1)).await;
    assert!(matches!(read, Err(VaultError::TooLarge { limit_bytes: 10_000, .. })), "{read:?}");
}

#[tokio::test]
async fn a_quota_is_throttled_for_as_long_as_the_server_asks() {
    let (bao, mount, client) = kv("err-quota").await;
    bao.request("POST", "sys/quotas/config", Some(json!({ "enable_rate_limit_response_headers": true }))).await.unwrap();
    let quota = json!({ "path": "err-quota/", "rate": 1, "interval": "30s" });
    bao.request("POST", "sys/quotas/rate-limit/err-quota", Some(quota)).await.unwrap();
    let mut last = Ok(lockstep_core::version::Seen::Nothing);
    for _ in 0..5 {
        last = client.vault.metadata(&mount, &path("db")).await;
    }
    let error = last.unwrap_err();
    assert!(matches!(error, VaultError::Throttled { .. }), "{error:?}");
    assert!(error.is_transient() && error.retry_after().is_some_and(|after| after <= Duration::from_secs(30)), "{error:?}");
}

#[tokio::test]
async fn a_sealed_vault_says_so_and_serves_again_when_unsealed() {
    let bao = OpenBao::start().await.unwrap();
    bao.enable_kv("kv").await.unwrap();
    let client = client(&bao, bao.root_token());
    let look = async || client.vault.metadata(&"kv".parse().unwrap(), &path("db")).await;
    assert_eq!(client.vault.health().await, Ok(Health::Active));
    bao.seal().await.unwrap();
    assert_eq!(client.vault.health().await, Ok(Health::Sealed));
    assert_eq!(look().await, Err(VaultError::Sealed));
    bao.unseal().await.unwrap();
    assert!(look().await.is_ok());
}

#[tokio::test]
async fn nobody_listening_and_no_tls_are_told() {
    let address = format!("http://127.0.0.1:{}", port::free().unwrap());
    let refused = with("s.any", |_| {}, &[&address]).vault.health().await;
    assert_eq!(refused, Err(VaultError::Unavailable { address, cause: Cause::Refused }));
    let bao = OpenBao::shared().await.unwrap();
    let plain = bao.addr().replace("http:", "https:");
    let health = with("s.any", |_| {}, &[&plain]).vault.health().await;
    assert!(matches!(health, Err(VaultError::Unavailable { cause: Cause::Tls(_), .. })), "{health:?}");
    let nameless = with("s.any", |_| {}, &["http://nowhere.invalid:1"]).vault.health().await;
    assert!(matches!(nameless, Err(VaultError::Unavailable { cause: Cause::Name, .. })), "{nameless:?}");
}
