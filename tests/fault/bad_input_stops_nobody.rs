//! One fleet with everything that people get wrong: each mistake is shown with what to do, and a good binding never notices.

use anyhow::{Context as _, Result};
use lockstep_testbed::fleet::{KV, Settings};
use lockstep_testbed::{Fleet, port};
use serde_json::{Value, json};

use crate::shop;

/// Two of them are more than one delivery may have.
const LARGE_BYTES: usize = 600_000;

#[tokio::test]
async fn every_mistake_is_shown_with_a_next_step_and_a_good_binding_never_notices() -> Result<()> {
    let down = format!("http://127.0.0.1:{}", port::free()?);
    let mut fleet = Fleet::start_replicas(Settings { replicas: 1, clusters: 0, ..Settings::default() }).await?;
    add_credentials(&mut fleet, &down).await?;
    fleet.add_cluster("cluster-1", &["env=prod"]).await?;
    let foreign = fleet.agents[0].targets().join("foreign");
    std::fs::create_dir_all(&foreign)?;
    std::fs::write(foreign.join("precious"), "mine")?;

    shop::set(&fleet, "db", "one").await?;
    shop::set(&fleet, "foreign", "one").await?;
    shop::set(&fleet, "nobase64", "one!").await?;
    shop::set(&fleet, "ungranted", "one").await?;
    shop::set(&fleet, "unselected", "one").await?;
    fleet.bao.kv_put(KV, "outside/forbidden", &json!({ "password": "one" })).await?;
    fleet.bao.kv_put(KV, "shop/badkey", &json!({ "../password": "one" })).await?;
    for half in ["large-1", "large-2"] {
        fleet.bao.kv_put(KV, &format!("shop/{half}"), &json!({ half: "x".repeat(LARGE_BYTES) })).await?;
    }
    fleet.apply(&manifests(&fleet, &down)).await?;

    shop::stands(&fleet, "db", "InSync", "").await?;
    for (binding, status, cause) in [
        ("absent", "Failed", "has no version that can be read: write it in Vault"),
        ("forbidden", "Failed", "extend the policy"),
        ("badkey", "Failed", "map it to a name of letters"),
        ("large", "Failed", "deliver fewer keys, or split the binding"),
        ("nokey", "Failed", "correct spec.items[].keys"),
        ("nobase64", "Failed", "write it as `base64 FILE` prints it"),
        // A Vault does not tell strangers which mounts it has: this is one more that the policy forbids.
        ("nomount", "Failed", "extend the policy"),
        ("down", "Failed", "connection refused: check address and port"),
        ("refused", "Failed", "replace the token file"),
        ("ungranted", "Denied", "ask an administrator for a grant"),
        ("foreign", "Conflict", "move it away, or choose another target"),
    ] {
        shop::stands(&fleet, binding, status, cause).await?;
        println!("{binding}: {status}: {}", cause_of(&fleet, binding).await?);
    }
    let unselected = fleet.cli(&["get", "binding", "unselected", "-o", "json"]).await?.json()?;
    let message = &unselected["status"]["conditions"][0]["message"];
    assert!(message.as_str().is_some_and(|m| m.contains("spec.clusters")), "{unselected}");
    assert_eq!(std::fs::read_to_string(foreign.join("precious"))?, "mine", "what is somebody else's stays as it is");
    assert_eq!(std::fs::read_dir(&foreign)?.count(), 1);

    for value in ["two", "three"] {
        shop::set(&fleet, "db", value).await?;
        shop::arrives_everywhere(&fleet, "db", value, shop::LIMIT).await?;
    }
    // Mending each at its place is all there is to do.
    shop::set(&fleet, "absent", "now").await?;
    shop::set(&fleet, "badkey", "now").await?;
    std::fs::rename(&foreign, foreign.with_extension("aside"))?;
    for (name, value) in [("absent", "now"), ("badkey", "now"), ("foreign", "one")] {
        shop::arrives_everywhere(&fleet, name, value, 3 * shop::LIMIT).await?;
        shop::stands(&fleet, name, "InSync", "").await?;
    }
    Ok(())
}

async fn cause_of(fleet: &Fleet, binding: &str) -> Result<String> {
    let deliveries = fleet.deliveries().await?;
    let delivery = deliveries.into_iter().find(|d| d["binding"] == binding).context("no such delivery")?;
    Ok(delivery["cause"].as_str().unwrap_or_default().to_owned())
}

/// A set for a source that is down, and one whose token the Vault does not know.
async fn add_credentials(fleet: &mut Fleet, down: &str) -> Result<()> {
    let token = |name: &str| fleet.folder().join(name).to_string_lossy().into_owned();
    std::fs::write(token("wrong.token"), "s.nobody-knows-this-one")?;
    // What others may read is refused before it is tried.
    std::fs::set_permissions(token("wrong.token"), std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let sets = [
        json!({ "name": "down", "tokenFile": token("vault.token"), "addresses": [down] }),
        json!({ "name": "wrong", "tokenFile": token("wrong.token"), "addresses": [fleet.bao.addr()] }),
    ];
    let path = fleet.replicas[0].config_path().to_owned();
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    config["credentials"].as_array_mut().context("no credentials in the configuration")?.extend(sets);
    std::fs::write(&path, config.to_string())?;
    fleet.replicas[0].process()?.stop().await?;
    fleet.start_replica(0).await
}

fn manifests(fleet: &Fleet, down: &str) -> String {
    let source = |name: &str, address: &str, credentials: &str| {
        format!(
            "apiVersion: lockstep.dev/v1\nkind: Source\nmetadata: {{name: {name}}}\n\
             spec: {{addresses: [\"{address}\"], credentials: {credentials}}}\n---\n"
        )
    };
    let binding = |name: &str, project: &str, env: &str, items: &str| {
        format!(
            "apiVersion: lockstep.dev/v1\nkind: Binding\nmetadata: {{name: {name}}}\nspec:\n  project: {project}\n  \
             clusters: {{matchLabels: {{env: {env}}}}}\n  items: [{items}]\n  target: {{directory: {{name: {name}}}}}\n---\n"
        )
    };
    let item = |source: &str, mount: &str, path: &str| format!("{{source: {source}, mount: {mount}, path: {path}}}");
    let grants = "apiVersion: lockstep.dev/v1\nkind: Grant\nmetadata: {name: shop-wide}\nspec:\n  project: shop\n  paths:\n  \
                  - {source: corp, mount: kv, globs: [\"outside/**\"]}\n  - {source: corp, mount: nowhere, globs: [\"**\"]}\n  \
                  - {source: gone, mount: kv, globs: [\"**\"]}\n  - {source: strange, mount: kv, globs: [\"**\"]}\n  \
                  clusters: {matchLabels: {env: prod}}\n---\n\
                  apiVersion: lockstep.dev/v1\nkind: Project\nmetadata: {name: poor}\nspec: {}\n---\n";
    let large = format!("{}, {}", item("corp", KV, "shop/large-1"), item("corp", KV, "shop/large-2"));
    [
        format!("{}---\n", fleet.basics()),
        source("gone", down, "down"),
        source("strange", fleet.bao.addr(), "wrong"),
        grants.to_owned(),
        Fleet::binding("db"),
        Fleet::binding("absent"),
        Fleet::binding("badkey"),
        Fleet::binding("foreign"),
        binding("forbidden", "shop", "prod", &item("corp", KV, "outside/forbidden")),
        binding("large", "shop", "prod", &large),
        binding("nokey", "shop", "prod", "{source: corp, mount: kv, path: shop/db, keys: {passphrase: PASSPHRASE}}"),
        binding("nobase64", "shop", "prod", "{source: corp, mount: kv, path: shop/nobase64, base64: [password]}"),
        binding("nomount", "shop", "prod", &item("corp", "nowhere", "shop/db")),
        binding("down", "shop", "prod", &item("gone", KV, "shop/db")),
        binding("refused", "shop", "prod", &item("strange", KV, "shop/db")),
        binding("ungranted", "poor", "prod", &item("corp", KV, "shop/ungranted")),
        binding("unselected", "shop", "nowhere", &item("corp", KV, "shop/unselected")),
    ]
    .concat()
}
