//! What a pod reads, and how it changes.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::json;

use crate::world::{ACCOUNT, Files, World};

fn files(files: &[(&str, u32, &str)]) -> Files {
    files.iter().map(|(path, mode, text)| ((*path).to_owned(), (*mode, (*text).to_owned()))).collect()
}

#[tokio::test]
async fn a_pod_mounts_what_is_bound_and_reads_a_new_version_at_the_next_republish() -> Result<()> {
    let world = World::start().await?;
    world.write("db", json!({ "username": "app", "password": "first" })).await?;
    world.bind("db").await?;
    let objects = "- {objectName: password, binding: db, secretKey: password, filePermission: 0400}\n\
                   - {objectName: conf/db.json, binding: db}\n\
                   - {objectName: user, secretPath: kv/data/shop/db, secretKey: username}\n";
    world.class("db", objects).await?;
    let volume = world.pod("checkout-0", ACCOUNT, "db").await?;
    world.driver.publish(&volume).await?;
    let both = r#"{"password":"first","username":"app"}"#;
    let first = files(&[("conf/db.json", 0o644, both), ("password", 0o400, "first"), ("user", 0o644, "app")]);
    assert_eq!(world.files(&volume)?, first);
    let before = world.versions(&volume).await?;
    assert_eq!(before.keys().collect::<Vec<_>>(), ["conf/db.json", "password", "user"]);

    world.driver.publish(&volume).await?;
    assert_eq!((world.files(&volume)?, world.versions(&volume).await?), (first, before.clone()));

    world.write("db", json!({ "username": "app", "password": "second" })).await?;
    world.republish_until(&volume, "password", "second").await?;
    let after = world.versions(&volume).await?;
    let changed: BTreeMap<&str, bool> = before.iter().map(|(id, version)| (id.as_str(), after[id] != *version)).collect();
    assert_eq!(changed, BTreeMap::from([("conf/db.json", true), ("password", true), ("user", false)]));
    Ok(())
}
