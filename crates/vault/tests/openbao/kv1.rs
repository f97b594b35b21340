//! KV version 1.

use lockstep_testbed::{OpenBao, Postgres};
use lockstep_vault::VaultError;
use serde_json::json;

use crate::fixture::{client, kv, path};

#[tokio::test]
async fn what_is_there_is_read_and_nothing_is_told_from_it() {
    let bao = OpenBao::shared().await.unwrap();
    bao.enable_kv1("kv1").await.unwrap();
    let client = client(bao, bao.root_token());
    let (mount, vault) = ("kv1".parse().unwrap(), &client.vault);
    assert_eq!(vault.read_v1(&mount, &path("team/db")).await, Ok(None));
    bao.kv1_put("kv1", "team/db", &json!({ "p": "one", "n": 1 })).await.unwrap();
    let read = vault.read_v1(&mount, &path("team/db")).await.unwrap().unwrap();
    let values: Vec<_> = read.iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
    assert_eq!(values, [("n", b"1".as_slice()), ("p", b"one")]);
    bao.kv1_delete("kv1", "team/db").await.unwrap();
    assert_eq!(vault.read_v1(&mount, &path("team/db")).await, Ok(None));
}

#[tokio::test]
async fn another_engine_is_never_taken_for_a_secret_that_is_gone() {
    let (bao, mount, client) = kv("kv1-not").await;
    bao.kv_put("kv1-not", "db", &json!({ "p": "x" })).await.unwrap();
    let read = client.vault.read_v1(&mount, &path("db")).await;
    assert!(matches!(read, Err(VaultError::Protocol { .. })), "{read:?}");
    let nowhere = client.vault.read_v1(&"kv1-nowhere".parse().unwrap(), &path("db")).await;
    assert!(matches!(nowhere, Err(VaultError::NoMount { .. })), "{nowhere:?}");
}

#[tokio::test]
async fn credentials_that_are_made_at_each_read_are_refused() {
    let (bao, postgres) = (OpenBao::shared().await.unwrap(), Postgres::shared().await.unwrap());
    let database = postgres.create_database().await.unwrap();
    bao.enable_database("kv1-dynamic", &database).await.unwrap();
    let create = "CREATE USER \"{{name}}\" PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'";
    let role = json!({ "db_name": "app", "creation_statements": [create] });
    bao.request("POST", "kv1-dynamic/roles/some", Some(role)).await.unwrap();
    let client = client(bao, bao.root_token());
    let read = client.vault.read_v1(&"kv1-dynamic".parse().unwrap(), &path("creds/some")).await;
    assert!(matches!(read, Err(VaultError::Refused { .. })), "{read:?}");
}
