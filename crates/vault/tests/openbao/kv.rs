//! Metadata and data of a secret, in all its states.

use chrono::Utc;
use lockstep_core::version::Seen;
use lockstep_vault::{Gone, VaultError};
use serde_json::json;

use crate::fixture::{current, kv, number, path};

#[tokio::test]
async fn a_live_version_is_read_with_the_time_its_metadata_tells() {
    let (bao, mount, client) = kv("kv-live").await;
    let db = path("team a/ü+b=c,d:e~f@g/db");
    bao.kv_put("kv-live", "team%20a/%C3%BC+b=c,d:e~f@g/db", &json!({ "p": "one" })).await.unwrap();
    let data = json!({ "p": "two\n<", "n": 1, "o": { "a": [true, null] } });
    bao.kv_put("kv-live", "team%20a/%C3%BC+b=c,d:e~f@g/db", &data).await.unwrap();

    let seen = current(client.vault.metadata(&mount, &db).await.unwrap());
    assert_eq!(seen.version.id.number, number(2));
    assert!(seen.deletion_time.is_none() && !seen.destroyed);
    let read = client.vault.read(&mount, &db, number(2)).await.unwrap();
    assert_eq!(read.created, seen.version.created);
    let values: Vec<_> = read.keys.iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
    assert_eq!(values, [("n", b"1".as_slice()), ("o", br#"{"a":[true,null]}"#), ("p", b"two\n<")]);

    let older = client.vault.read(&mount, &db, number(1)).await.unwrap();
    assert_eq!(older.created, seen.version.id.incarnation.0, "the first version is as old as the metadata");
    assert_eq!(older.keys["p"].expose(), b"one");
}

#[tokio::test]
async fn a_soft_deleted_version_keeps_its_metadata_and_is_gone_as_deleted() {
    let (bao, mount, client) = kv("kv-deleted").await;
    bao.kv_put("kv-deleted", "db", &json!({ "p": "x" })).await.unwrap();
    bao.kv_soft_delete("kv-deleted", "db", &[1]).await.unwrap();
    let seen = current(client.vault.metadata(&mount, &path("db")).await.unwrap());
    assert!(seen.deletion_time.unwrap() <= Utc::now() && !seen.destroyed);
    assert_eq!(client.vault.read(&mount, &path("db"), number(1)).await, Err(VaultError::Gone(Gone::Deleted)));

    bao.kv_undelete("kv-deleted", "db", &[1]).await.unwrap();
    assert_eq!(current(client.vault.metadata(&mount, &path("db")).await.unwrap()).deletion_time, None);
    assert!(client.vault.read(&mount, &path("db"), number(1)).await.is_ok());
}

#[tokio::test]
async fn a_destroyed_version_is_gone_as_destroyed() {
    let (bao, mount, client) = kv("kv-destroyed").await;
    bao.kv_put("kv-destroyed", "db", &json!({ "p": "x" })).await.unwrap();
    bao.kv_destroy("kv-destroyed", "db", &[1]).await.unwrap();
    assert!(current(client.vault.metadata(&mount, &path("db")).await.unwrap()).destroyed);
    assert_eq!(client.vault.read(&mount, &path("db"), number(1)).await, Err(VaultError::Gone(Gone::Destroyed)));
}

#[tokio::test]
async fn a_deletion_time_in_the_future_is_told_and_the_version_can_be_read() {
    let (bao, mount, client) = kv("kv-future").await;
    let hour = json!({ "delete_version_after": "1h" });
    bao.request("POST", "kv-future/metadata/db", Some(hour)).await.unwrap();
    bao.kv_put("kv-future", "db", &json!({ "p": "x" })).await.unwrap();
    let seen = current(client.vault.metadata(&mount, &path("db")).await.unwrap());
    assert!(seen.deletion_time.unwrap() > Utc::now());
    assert!(client.vault.read(&mount, &path("db"), number(1)).await.is_ok());
}

#[tokio::test]
async fn metadata_without_a_version_and_no_metadata_show_nothing() {
    let (bao, mount, client) = kv("kv-nothing").await;
    bao.request("POST", "kv-nothing/metadata/empty", Some(json!({ "max_versions": 3 }))).await.unwrap();
    for text in ["empty", "never"] {
        assert_eq!(client.vault.metadata(&mount, &path(text)).await, Ok(Seen::Nothing), "{text}");
        let read = client.vault.read(&mount, &path(text), number(1)).await;
        assert!(matches!(read, Err(VaultError::NotFound { .. })), "{read:?}");
    }
}

#[tokio::test]
async fn a_recreated_secret_begins_at_one_in_another_incarnation() {
    let (bao, mount, client) = kv("kv-recreated").await;
    bao.kv_put("kv-recreated", "db", &json!({ "p": "x" })).await.unwrap();
    let first = current(client.vault.metadata(&mount, &path("db")).await.unwrap());
    bao.kv_delete_metadata("kv-recreated", "db").await.unwrap();
    assert_eq!(client.vault.metadata(&mount, &path("db")).await, Ok(Seen::Nothing));
    bao.kv_put("kv-recreated", "db", &json!({ "p": "y" })).await.unwrap();
    let second = current(client.vault.metadata(&mount, &path("db")).await.unwrap());
    assert_eq!(second.version.id.number, number(1));
    assert!(second.version.id > first.version.id);
}
