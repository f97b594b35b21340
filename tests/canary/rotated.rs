//! Values that a rotation makes: nobody chose them, and nobody may find them either.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{KV, STORY_LIMIT};
use lockstep_testbed::{Fleet, wait};
use serde_json::{Value, json};

use crate::search::Canary;
use crate::traces::Traces;

const DB: &str = "database";
const POLICY: &str = r#"
path "kv/data/shop/*" { capabilities = ["create", "read", "update"] }
path "database/static-roles/*" { capabilities = ["read"] }
path "database/static-creds/*" { capabilities = ["read"] }
path "database/rotate-role/*" { capabilities = ["update"] }
path "database/config/*" { capabilities = ["read"] }
"#;

/// Rotates a generated value, and a pair of a database's users, and forbids all values before and after.
pub(crate) async fn rotated_values(fleet: &Fleet, traces: &mut Traces) -> Result<()> {
    let bao = &fleet.bao;
    let database = fleet.postgres.create_database().await?;
    bao.extend_policy("lockstep", POLICY).await?;
    bao.enable_database(DB, &database).await?;
    for role in ["pair_a", "pair_b"] {
        bao.static_role(DB, role, &database, Duration::from_hours(24 * 365)).await?;
    }
    bao.kv_put(KV, "shop/rotated", &json!({"kept": "of no interest"})).await?;
    let pair = Fleet::binding("pair")
        .replace(&format!("mount: {KV}, path: shop/pair"), &format!("mount: {DB}, rolePair: [pair_a, pair_b]"));
    let grant = format!(
        "apiVersion: lockstep.dev/v1\nkind: Grant\nmetadata: {{name: shop-database}}\nspec: {{project: shop, \
         paths: [{{source: corp, mount: {DB}, globs: [\"*\"]}}], clusters: {{matchLabels: {{env: prod}}}}}}\n---\n"
    );
    fleet.apply(&[grant, Fleet::binding("rotated"), pair].concat()).await?;
    for binding in ["rotated", "pair"] {
        fleet.await_delivery("cluster-1", binding, "InSync").await?;
        fleet.await_delivery("cluster-2", binding, "InSync").await?;
    }
    let rotations = [
        rotation(
            "rotated",
            &format!(
                "generate: {{source: corp, mount: {KV}, path: shop/rotated, keys: {{token: {{random: {{length: 40}}}}, key: {{ed25519: {{}}}}}}}}"
            ),
        ),
        rotation("pair", &format!("databasePair: {{source: corp, mount: {DB}, roles: [pair_a, pair_b], minOverlap: 1s}}")),
    ];
    fleet.apply(&rotations.concat()).await?;
    passwords(fleet, traces, "before").await?;
    for name in ["rotated", "pair"] {
        fleet.cli(&["rotation", "run", name]).await?;
        wait::until(&format!("the run of {name}"), STORY_LIMIT * 2, async || {
            let runs = fleet.cli(&["rotation", "history", name, "-o", "json"]).await?.json()?;
            ensure!(runs["items"][0]["state"] == "Done", "{runs}");
            anyhow::Ok(())
        })
        .await?;
    }
    passwords(fleet, traces, "after").await?;
    let made = bao.kv_get(KV, "shop/rotated").await?;
    traces.forbid(Canary::of("a generated value", text(&made, "token")?));
    let body: String = text(&made, "key")?.lines().filter(|line| !line.starts_with("---")).collect();
    traces.forbid(Canary::of("a generated private key", body));
    ensure!(fleet.file("cluster-2", "rotated", "token")?.as_deref() == made["token"].as_str(), "it was not delivered");
    Ok(())
}

async fn passwords(fleet: &Fleet, traces: &mut Traces, when: &str) -> Result<()> {
    for role in ["pair_a", "pair_b"] {
        let credentials = fleet.bao.static_creds(DB, role).await?;
        traces.forbid(Canary::of(&format!("the password of {role} {when}"), text(&credentials, "password")?));
    }
    Ok(())
}

fn text<'a>(of: &'a Value, key: &str) -> Result<&'a str> {
    of[key].as_str().with_context(|| format!("no {key}"))
}

fn rotation(name: &str, what: &str) -> String {
    format!(
        "apiVersion: lockstep.dev/v1\nkind: Rotation\nmetadata: {{name: {name}}}\nspec:\n  project: shop\n  \
         schedule: \"0 3 1 * *\"\n  {what}\n---\n"
    )
}
