//! Tokens: from a file, from logins.

use std::fs;
use std::time::Duration;

use lockstep_testbed::{OpenBao, port, wait};
use lockstep_vault::{Credentials, Login, LoginFault, LoginMethod, ShownToken, VaultError};
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
    let Credentials::Login(login) = credentials else { unreachable!() };
    let LoginMethod::AppRole { role_id_file, secret_id_file } = login.method else { unreachable!() };
    let at = |mount: &str, secret_id_file: std::path::PathBuf| {
        let role_id_file = role_id_file.clone();
        let method = LoginMethod::AppRole { role_id_file, secret_id_file };
        let credentials = Credentials::Login(Login { mount: mount.to_owned(), method });
        with("", |settings| settings.credentials = credentials, &[bao.addr()])
    };
    let wrong = folder.path().join("wrong");
    fs::write(&wrong, "no-secret-id").unwrap();
    let refused = at("login-bad-auth", wrong).vault.metadata(&mount, &path("db")).await;
    assert!(is_refused(&refused, "AppRole"), "{refused:?}");
    let missing = at("login-nowhere", secret_id_file).vault.metadata(&mount, &path("db")).await;
    let fault = LoginFault::NoMount { method: "AppRole", mount: "login-nowhere".to_owned() };
    assert_eq!(missing, Err(VaultError::Unauthenticated(fault)));
}

fn is_refused<T>(result: &Result<T, VaultError>, by: &str) -> bool {
    matches!(result, Err(VaultError::Unauthenticated(LoginFault::LoginRefused { method, .. })) if *method == by)
}

/// A token that this OpenBao's own issuer signed, and a JWT login that accepts it for policy `name`.
async fn issued(bao: &OpenBao, name: &str) -> String {
    let post = async |path: String, body: serde_json::Value| bao.request("POST", &path, Some(body)).await.unwrap();
    post(format!("identity/oidc/key/{name}"), json!({ "allowed_client_ids": "*", "algorithm": "ES256" })).await;
    post(format!("identity/oidc/role/{name}"), json!({ "key": name, "client_id": name, "ttl": "1h" })).await;
    bao.enable_auth(&format!("{name}-people"), "userpass").await.unwrap();
    bao.write_policy(name, &format!("path \"{name}/metadata/*\" {{ capabilities = [\"read\"] }}\npath \"identity/oidc/token/{name}\" {{ capabilities = [\"read\"] }}"))
        .await
        .unwrap();
    post(format!("auth/{name}-people/users/ann"), json!({ "password": "in-a-test", "token_policies": name })).await;
    let ann = post(format!("auth/{name}-people/login/ann"), json!({ "password": "in-a-test" })).await;
    let ann = ann["auth"]["client_token"].as_str().unwrap().to_owned();
    bao.enable_auth(&format!("{name}-jwt"), "jwt").await.unwrap();
    let keys = format!("{}/v1/identity/oidc/.well-known/keys", bao.addr());
    post(format!("auth/{name}-jwt/config"), json!({ "jwks_url": keys })).await;
    let role = json!({ "role_type": "jwt", "user_claim": "sub", "bound_audiences": name, "token_policies": name });
    post(format!("auth/{name}-jwt/role/lockstep"), role).await;
    let token = bao.request_as(&ann, "GET", &format!("identity/oidc/token/{name}"), None).await.unwrap();
    token["data"]["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_jwt_of_an_issuer_that_the_vault_knows_logs_in() {
    let (bao, mount, _) = kv("login-jwt").await;
    let token = issued(bao, "login-jwt").await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("jwt");
    fs::write(&file, token).unwrap();
    let at = |role: &str| {
        let method = LoginMethod::Jwt { role: role.to_owned(), token: ShownToken::File(file.clone()) };
        let credentials = Credentials::Login(Login { mount: "login-jwt-jwt".to_owned(), method });
        with("", |settings| settings.credentials = credentials, &[bao.addr()])
    };
    let client = at("lockstep");
    for secret in ["a", "b"] {
        assert!(client.vault.metadata(&mount, &path(secret)).await.is_ok());
    }
    assert_eq!(bao.count_requests(|path, _| path == "auth/login-jwt-jwt/login").unwrap(), 1, "one login, however many calls");
    let refused = at("nobody").vault.metadata(&mount, &path("a")).await;
    assert!(is_refused(&refused, "JWT"), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("issuer, audience and subject"));
}

#[tokio::test]
async fn a_client_certificate_logs_in_and_is_read_again_when_its_file_changes() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: String| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file
    };
    let server = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let [ours, other] = ["ours", "other"].map(|name| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap());
    let (certificate, key) = (write("tls.crt", server.cert.pem()), write("tls.key", server.signing_key.serialize_pem()));
    let port = port::free().unwrap();
    let listener = format!(
        "listener \"tcp\" {{\n address = \"127.0.0.1:{port}\"\n tls_cert_file = \"{}\"\n tls_key_file = \"{}\"\n}}\n",
        certificate.display(),
        key.display()
    );
    let bao = OpenBao::start_with(&listener).await.unwrap();
    bao.enable_kv("kv").await.unwrap();
    bao.write_policy("kv", r#"path "kv/metadata/*" { capabilities = ["read"] }"#).await.unwrap();
    bao.enable_auth("cert", "cert").await.unwrap();
    let role = json!({ "certificate": ours.cert.pem(), "token_policies": "kv" });
    bao.request("POST", "auth/cert/certs/lockstep", Some(role)).await.unwrap();
    let (certificate_file, key_file) =
        (write("client.crt", other.cert.pem()), write("client.key", other.signing_key.serialize_pem()));
    let method = LoginMethod::Certificate { role: Some("lockstep".to_owned()), certificate_file, key_file };
    let credentials = Credentials::Login(Login { mount: "cert".to_owned(), method });
    let settings = |settings: &mut lockstep_vault::Settings| {
        settings.credentials = credentials;
        settings.ca_pem = Some(server.cert.pem());
    };
    let client = with("", settings, &[&format!("https://127.0.0.1:{port}")]);
    let look = async || client.vault.metadata(&"kv".parse().unwrap(), &path("db")).await;
    let refused = look().await;
    assert!(is_refused(&refused, "TLS certificate"), "{refused:?}");
    write("client.crt", "no certificate".to_owned());
    wait::until("the file to be looked at", LIMIT, async || {
        matches!(look().await, Err(VaultError::Unauthenticated(LoginFault::Certificate { .. })))
    })
    .await
    .unwrap();
    write("client.key", ours.signing_key.serialize_pem());
    write("client.crt", ours.cert.pem());
    wait::until("a login with the new certificate", LIMIT, async || look().await.is_ok()).await.unwrap();
}
