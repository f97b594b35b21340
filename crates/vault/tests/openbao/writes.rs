//! Writes with check-and-set, and the reads before them.

use std::collections::BTreeMap;

use lockstep_core::material::Material;
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
