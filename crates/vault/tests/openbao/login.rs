//! Tokens: from a file, from an AppRole login.

use std::fs;
use std::time::Duration;

use lockstep_testbed::{OpenBao, wait};
use lockstep_vault::{Credentials, LoginFault, VaultError};
use serde_json::json;
use tempfile::TempDir;

use crate::fixture::{app_role, client, kv, path, with};

const LIMIT: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_token_file_that_changes_is_read_again() {
    let (bao, mount, _) = kv("login-file").await;
    let client = client(bao, "s.unknown");
    let look = async || client.vault.metadata(&mount, &path("db")).await;
    assert_eq!(look().await, Err(VaultError::Unauthenticated(LoginFault::TokenRejected)));
    let file = client.folder.path().join("token");
    fs::write(&file, bao.root_token()).unwrap();
    assert!(look().await.is_ok());
    fs::write(&file, " \n").unwrap();
    assert_eq!(look().await, Err(VaultError::Unauthenticated(LoginFault::Content { file: file.clone() })));
    fs::remove_file(&file).unwrap();
    let missing = look().await;
    assert!(matches!(missing, Err(VaultError::Unauthenticated(LoginFault::File { .. }))), "{missing:?}");
}

#[tokio::test]
async fn many_calls_share_one_login_and_its_token_is_renewed() {
    let (bao, mount, _) = kv("login-role").await;
    let folder = TempDir::new().unwrap();
    bao.write_policy("login-role", r#"path "login-role/metadata/*" { capabilities = ["read"] }"#).await.unwrap();
    let role = json!({ "token_policies": ["login-role"], "token_ttl": "6s", "token_max_ttl": "1h" });
    let credentials = app_role(bao, "login-role-auth", role, folder.path()).await;
    let client = with("", |settings| settings.credentials = credentials, &[bao.addr()]);
    let mut calls = tokio::task::JoinSet::new();
    for i in 0..30 {
        let (vault, mount) = (client.vault.clone(), mount.clone());
        calls.spawn(async move { vault.metadata(&mount, &path(&format!("s{i}"))).await });
    }
    while let Some(call) = calls.join_next().await {
        assert!(call.unwrap().is_ok());
    }
    let logins = || bao.count_requests(|path, _| path == "auth/login-role-auth/login").unwrap();
    assert_eq!(logins(), 1);
    let renewals = || bao.count_requests(|path, _| path == "auth/token/renew-self").unwrap();
    wait::until("the token to be renewed", LIMIT, async || {
        assert!(client.vault.metadata(&mount, &path("db")).await.is_ok());
        renewals() > 0
    })
    .await
    .unwrap();
    assert_eq!(logins(), 1);
}

#[tokio::test]
async fn a_revoked_token_is_replaced_by_a_new_login() {
    let bao = OpenBao::start().await.unwrap();
    bao.enable_kv("kv").await.unwrap();
    let folder = TempDir::new().unwrap();
    bao.write_policy("kv", r#"path "kv/metadata/*" { capabilities = ["read"] }"#).await.unwrap();
    let credentials = app_role(&bao, "approle", json!({ "token_policies": ["kv"], "token_ttl": "1h" }), folder.path()).await;
    let client = with("", |settings| settings.credentials = credentials, &[bao.addr()]);
    let look = async || client.vault.metadata(&"kv".parse().unwrap(), &path("db")).await;
    assert!(look().await.is_ok());
    bao.request("POST", "sys/leases/revoke-prefix/auth/approle/login", None).await.unwrap();
    wait::until("a new login", LIMIT, async || look().await.is_ok()).await.unwrap();
    assert_eq!(bao.count_requests(|path, _| path == "auth/approle/login").unwrap(), 2);
}

#[tokio::test]
async fn a_refused_login_and_a_missing_one_are_told() {
    let (bao, mount, _) = kv("login-bad").await;
    let folder = TempDir::new().unwrap();
    let credentials = app_role(bao, "login-bad-auth", json!({ "token_ttl": "1h" }), folder.path()).await;
    let Credentials::AppRole { role_id_file, secret_id_file, .. } = credentials.clone() else { unreachable!() };
    let at = |mount: &str, secret_id_file: std::path::PathBuf| {
        let role_id_file = role_id_file.clone();
        let credentials = Credentials::AppRole { mount: mount.to_owned(), role_id_file, secret_id_file };
        with("", |settings| settings.credentials = credentials, &[bao.addr()])
    };
    let wrong = folder.path().join("wrong");
    fs::write(&wrong, "no-secret-id").unwrap();
    let refused = at("login-bad-auth", wrong).vault.metadata(&mount, &path("db")).await;
    assert_eq!(refused, Err(VaultError::Unauthenticated(LoginFault::LoginRefused)));
    let missing = at("login-nowhere", secret_id_file).vault.metadata(&mount, &path("db")).await;
    let fault = LoginFault::NoMount { mount: "login-nowhere".to_owned() };
    assert_eq!(missing, Err(VaultError::Unauthenticated(fault)));
}
