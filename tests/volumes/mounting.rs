//! What a pod reads, and how it changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde_json::json;

use crate::world::{ACCOUNT, Files, World};

const FIRST: &str = "canary-of-the-first-version";
const SECOND: &str = "canary-of-the-second-version";

/// Looks for texts, and for what base64 makes of them, in every file below.
fn search(folder: &Path, texts: &[&str], searched: &mut usize, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let kind = fs::symlink_metadata(&path)?.file_type();
        if kind.is_dir() {
            search(&path, texts, searched, found)?;
        } else if kind.is_file() {
            *searched += 1;
            let bytes = fs::read(&path)?;
            let mut forms = texts.iter().flat_map(|text| [(*text).to_owned(), BASE64_STANDARD_NO_PAD.encode(text)]);
            if forms.any(|form| bytes.windows(form.len()).any(|window| window == form.as_bytes())) {
                found.push(path);
            }
        }
    }
    Ok(())
}

fn files(files: &[(&str, u32, &str)]) -> Files {
    files.iter().map(|(path, mode, text)| ((*path).to_owned(), (*mode, (*text).to_owned()))).collect()
}

#[tokio::test]
async fn a_pod_mounts_what_is_bound_and_reads_a_new_version_at_the_next_republish() -> Result<()> {
    let world = World::start().await?;
    world.write("db", json!({ "username": "app", "password": FIRST })).await?;
    world.bind("db").await?;
    let objects = "- {objectName: password, binding: db, secretKey: password, filePermission: 0400}\n\
                   - {objectName: conf/db.json, binding: db}\n\
                   - {objectName: user, secretPath: kv/data/shop/db, secretKey: username}\n";
    world.class("db", objects).await?;
    let volume = world.pod("checkout-0", ACCOUNT, "db").await?;
    world.driver.publish(&volume).await?;
    let both = format!(r#"{{"password":"{FIRST}","username":"app"}}"#);
    let first = files(&[("conf/db.json", 0o644, &both), ("password", 0o400, FIRST), ("user", 0o644, "app")]);
    assert_eq!(world.files(&volume)?, first);
    let before = world.versions(&volume).await?;
    assert_eq!(before.keys().collect::<Vec<_>>(), ["conf/db.json", "password", "user"]);

    world.driver.publish(&volume).await?;
    assert_eq!((world.files(&volume)?, world.versions(&volume).await?), (first, before.clone()));

    world.write("db", json!({ "username": "app", "password": SECOND })).await?;
    world.republish_until(&volume, "password", SECOND).await?;
    let after = world.versions(&volume).await?;
    let changed: BTreeMap<&str, bool> = before.iter().map(|(id, version)| (id.as_str(), after[id] != *version)).collect();
    assert_eq!(changed, BTreeMap::from([("conf/db.json", true), ("password", true), ("user", false)]));

    // Neither etcd nor any disk or log of Lockstep, Kubernetes or the driver has either of them.
    let folders = [world.fleet.folder(), world.kubernetes()?.folder(), world.driver.folder()];
    let (mut searched, mut found) = (0, Vec::new());
    for folder in folders {
        search(folder, &[FIRST, SECOND], &mut searched, &mut found)?;
    }
    println!("{searched} files searched for two values");
    ensure!(searched > 20 && found.is_empty(), "{found:?} of {searched}");
    Ok(())
}
