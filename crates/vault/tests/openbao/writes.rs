//! Writes with check-and-set, and the reads before them.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::Utc;
use lockstep_core::material::Material;
use lockstep_core::rollback::Fate;
use lockstep_vault::{Gone, Json, VaultError};
use serde_json::json;

use crate::fixture::{current, kv, number, path};

fn text(value: &str) -> Json {
    Json::text(&Material::new(value.as_bytes().to_vec())).unwrap()
}

fn one(value: &str) -> BTreeMap<String, Json> {
    BTreeMap::from([("p".to_owned(), text(value))])
}

#[tokio::test]
async fn a_write_changes_its_key_and_leaves_the_others_byte_for_byte() {
    let (bao, mount, client) = kv("write-keeps").await;
    let at = path("team a/db");
    let odd = r#"{"b":[1.50,null,"<\u0007é😀"],"a":{"z":1e21,"y":12345678901234567890123}}"#;
    let first = format!(
        r#"{{"data":{{"p":"old","n":1.50,"big":12345678901234567890123,"t":true,"none":null,"o":{odd},"s":"a\"\\\n"}}}}"#
    );
    // As text: a `Value` would round the numbers.
    let url = format!("{}/v1/write-keeps/data/team%20a/db", bao.addr());
    let request = reqwest::Client::new().post(url).header("X-Vault-Token", bao.root_token()).body(first);
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{:?}", answer.text().await);
    let before = client.vault.current(&mount, &at).await.unwrap();
    assert_eq!(before.number, number(1));

    let mut keys = before.keys.clone();
    keys.insert("p".to_owned(), text("new\"\\\n<é"));
    keys.insert("a \"key\"".to_owned(), text(""));
    let written = client.vault.write(&mount, &at, &keys, 1).await.unwrap();
    assert_eq!(written.number, number(2));
    let seen = current(client.vault.metadata(&mount, &at).await.unwrap());
    assert_eq!((seen.version.id.number, seen.version.created), (written.number, written.created));

    let after = client.vault.current(&mount, &at).await.unwrap();
    assert_eq!((after.number, after.created), (written.number, written.created));
    assert_eq!(after.keys.len(), before.keys.len() + 1);
    for (key, value) in before.keys.iter().filter(|(key, _)| *key != "p") {
        assert_eq!(&after.keys[key], value, "{key}");
    }
    // As bindings deliver them, too.
    let data = client.vault.read(&mount, &at, number(2)).await.unwrap();
    assert_eq!(data.keys["p"].expose(), "new\"\\\n<é".as_bytes());
    let values = after.keys.iter().map(|(key, json)| (key.clone(), json.value().unwrap())).collect::<BTreeMap<_, _>>();
    assert_eq!(data.keys, values);
}

#[tokio::test]
async fn of_two_writers_the_second_is_told_apart_from_one_that_is_refused() {
    let (bao, mount, client) = kv("write-cas").await;
    let vault = &client.vault;
    let at = path("db");
    let missing = vault.current(&mount, &at).await;
    assert!(matches!(missing, Err(VaultError::NotFound { .. })), "{missing:?}");
    let never = vault.write(&mount, &at, &one("a"), 1).await;
    assert!(matches!(never, Err(VaultError::Cas { .. })), "{never:?}");
    assert_eq!(vault.write(&mount, &at, &one("a"), 0).await.unwrap().number, number(1));
    assert_eq!(vault.write(&mount, &at, &one("b"), 1).await.unwrap().number, number(2));
    for stale in [0, 1, 3] {
        let lost = vault.write(&mount, &at, &one("c"), stale).await;
        assert!(matches!(lost, Err(VaultError::Cas { .. })), "{stale}: {lost:?}");
    }
    assert_eq!(bao.kv_get("write-cas", "db").await.unwrap(), json!({ "p": "b" }));
    let refused = vault.write(&"sys".parse().unwrap(), &path("x"), &one("d"), 0).await;
    assert!(!matches!(refused, Ok(_) | Err(VaultError::Cas { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_deleted_newest_version_is_gone_and_its_number_still_counts() {
    let (bao, mount, client) = kv("write-gone").await;
    let at = path("db");
    client.vault.write(&mount, &at, &one("a"), 0).await.unwrap();
    bao.kv_soft_delete("write-gone", "db", &[1]).await.unwrap();
    assert_eq!(client.vault.current(&mount, &at).await, Err(VaultError::Gone(Gone::Deleted)));
    assert!(matches!(client.vault.write(&mount, &at, &one("b"), 0).await, Err(VaultError::Cas { .. })));
    bao.kv_destroy("write-gone", "db", &[1]).await.unwrap();
    assert_eq!(client.vault.current(&mount, &at).await, Err(VaultError::Gone(Gone::Destroyed)));
    assert_eq!(client.vault.write(&mount, &at, &one("b"), 1).await.unwrap().number, number(2));
}

#[tokio::test]
async fn the_versions_that_are_kept_each_have_their_fate() {
    let (bao, mount, client) = kv("write-versions").await;
    let at = path("db");
    let none = client.vault.versions(&mount, &at, Utc::now()).await;
    assert!(matches!(none, Err(VaultError::NotFound { .. })), "{none:?}");
    bao.request("POST", "write-versions/metadata/db", Some(json!({ "max_versions": 4, "delete_version_after": "1h" })))
        .await
        .unwrap();
    for cas in 0..5 {
        client.vault.write(&mount, &at, &one("a"), cas).await.unwrap();
    }
    bao.kv_soft_delete("write-versions", "db", &[3]).await.unwrap();
    bao.kv_destroy("write-versions", "db", &[4]).await.unwrap();
    let versions = client.vault.versions(&mount, &at, Utc::now()).await.unwrap();
    let seen = current(client.vault.metadata(&mount, &at).await.unwrap());
    assert_eq!(versions.incarnation, seen.version.id.incarnation);
    let fates: Vec<_> = versions.fates.into_iter().map(|(number, fate)| (number.get(), fate)).collect();
    assert_eq!(fates, [(2, Fate::Live), (3, Fate::Deleted), (4, Fate::Destroyed), (5, Fate::Live)]);
    let later = client.vault.versions(&mount, &at, Utc::now() + Duration::from_hours(2)).await.unwrap();
    assert_eq!(later.fates[&number(5)], Fate::Deleted, "a time in the future comes");
}
