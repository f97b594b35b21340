//! What has no versions of Vault's own reaches the clusters as what has: a database's roles, and KV version 1.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Database, Fleet, wait};
use serde_json::json;

const CLUSTERS: [&str; 2] = ["cluster-1", "cluster-2"];
/// Mounts of a database engine and of KV version 1.
const DB: &str = "database";
const KV1: &str = "old";
const DAY: Duration = Duration::from_hours(24);

/// A fleet with a database that has the roles `app`, `pair_a` and `pair_b`, and a value in KV version 1; granted, but not yet readable.
async fn fleet() -> Result<(Fleet, Database)> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 2, ..Settings::default() }).await?;
    let database = fleet.postgres.create_database().await?;
    fleet.bao.enable_database(DB, &database).await?;
    for role in ["app", "pair_a", "pair_b"] {
        fleet.bao.static_role(DB, role, &database, DAY).await?;
    }
    fleet.bao.enable_kv1(KV1).await?;
    fleet.bao.kv1_put(KV1, "shop/licence", &json!({ "key": "one" })).await?;
    fleet.apply(&fleet.basics()).await?;
    Ok((fleet, database))
}

fn grant(globs: &str) -> String {
    format!(
        "apiVersion: lockstep.dev/v1\nkind: Grant\nmetadata: {{name: shop-engines}}\nspec:\n  project: shop\n  \
         paths: [{{source: corp, mount: {DB}, globs: [{globs}]}}, {{source: corp, mount: {KV1}, globs: [\"shop/*\"]}}]\n  \
         clusters: {{matchLabels: {{env: prod}}}}\n  namespaces: []\n---\n"
    )
}

fn binding(name: &str, item: &str) -> String {
    Fleet::binding(name).replace(&format!("mount: {KV}, path: shop/{name}"), item)
}

fn bindings() -> String {
    [
        binding("app", &format!("mount: {DB}, staticRole: app, keys: {{username: DB_USER, password: DB_PASSWORD}}")),
        binding("pair", &format!("mount: {DB}, rolePair: [pair_a, pair_b]")),
        binding("licence", &format!("mount: {KV1}, path: shop/licence, engine: KvV1")),
    ]
    .concat()
}

/// Both clusters get what the role has in Vault now, and the database lets that in. Answers the password.
async fn both_log_in(fleet: &Fleet, database: &Database, target: &str, role: &str, keys: [&str; 2]) -> Result<String> {
    let creds = fleet.bao.static_creds(DB, role).await?;
    let [user, password] = ["username", "password"].map(|key| creds[key].as_str().unwrap_or_default().to_owned());
    for cluster in CLUSTERS {
        let what = format!("{cluster} to have what {role} has");
        wait::until(&what, STORY_LIMIT, async || {
            let files = [fleet.file(cluster, target, keys[0])?, fleet.file(cluster, target, keys[1])?];
            // Without a word of what they are: they are passwords.
            ensure!(files[0].as_deref() == Some(&user) && files[1].as_deref() == Some(&password), "it has not");
            let [Some(user), Some(password)] = files else { unreachable!() };
            ensure!(database.lets_in(&user, &password).await?, "the database refuses it");
            anyhow::Ok(())
        })
        .await?;
    }
    Ok(password)
}

#[tokio::test]
async fn a_roles_new_password_and_a_value_written_over_reach_every_cluster() -> Result<()> {
    let (fleet, database) = fleet().await?;
    fleet.apply(&[grant("app, pair_a, pair_b"), bindings()].join("---\n")).await?;
    // The policy that Lockstep writes is enough, and without it nothing is there.
    let refused = fleet.await_delivery("cluster-1", "app", "Failed").await?;
    assert!(refused["cause"].as_str().unwrap_or_default().contains("database/static-roles/app"), "{refused}");
    let policy = fleet.cli(&["source", "policy", "corp"]).await?.stdout;
    for path in ["database/static-roles/app", "database/static-creds/app", "database/static-creds/pair_b", "old/shop/licence"] {
        assert!(policy.contains(&format!("path \"{path}\"")), "{path} is missing in {policy}");
    }
    fleet.bao.extend_policy("lockstep", &policy).await?;
    fleet.await_deliveries("InSync", 6, STORY_LIMIT).await?;
    fleet.cli(&["source", "check", "corp"]).await?;

    let first = both_log_in(&fleet, &database, "app", "app", ["DB_USER", "DB_PASSWORD"]).await?;
    fleet.bao.rotate_static_role(DB, "app").await?;
    let second = both_log_in(&fleet, &database, "app", "app", ["DB_USER", "DB_PASSWORD"]).await?;
    ensure!(first != second, "it was rotated");
    let shown = fleet.cli(&["get", "secret", "corp/database/app", "-o", "json"]).await?.json()?;
    assert_eq!((&shown["engine"], &shown["version"], &shown["state"]), (&json!("StaticRole"), &json!(2), &json!("Live")));

    // Of a pair the first is delivered; what becomes of the second moves nothing.
    let keys = ["username", "password"];
    both_log_in(&fleet, &database, "pair", "pair_a", keys).await?;
    fleet.bao.rotate_static_role(DB, "pair_b").await?;
    fleet.bao.rotate_static_role(DB, "pair_a").await?;
    both_log_in(&fleet, &database, "pair", "pair_a", keys).await?;
    let shown = fleet.cli(&["get", "secret", "corp/database/pair_a,pair_b", "-o", "json"]).await?.json()?;
    assert_eq!((&shown["engine"], &shown["version"]), (&json!("RolePair"), &json!(2)));
    let table = fleet.cli(&["get", "bindings", "-o", "wide"]).await?.stdout;
    assert!(table.contains("pair_a,pair_b"), "{table}");

    fleet.bao.kv1_put(KV1, "shop/licence", &json!({ "key": "two" })).await?;
    for cluster in CLUSTERS {
        fleet.await_file(cluster, "licence", "key", Some("two")).await?;
    }

    // A role that is gone is kept, and one made anew is delivered.
    let user = fleet.bao.static_creds(DB, "app").await?["username"].as_str().context("a user")?.to_owned();
    fleet.bao.delete_static_role(DB, "app").await?;
    let stale = fleet.await_delivery("cluster-2", "app", "Stale").await?;
    assert!(stale["cause"].as_str().unwrap_or_default().contains("keeps the last good version"), "{stale}");
    fleet.bao.write_static_role(DB, "app", &user, DAY).await?;
    both_log_in(&fleet, &database, "app", "app", ["DB_USER", "DB_PASSWORD"]).await?;
    fleet.await_deliveries("InSync", 6, STORY_LIMIT).await.map(drop)
}

#[tokio::test]
async fn a_grant_must_allow_both_roles_of_a_pair_and_what_cannot_be_is_refused_with_what_to_do() -> Result<()> {
    let (fleet, _database) = fleet().await?;
    fleet.apply(&[grant("app, pair_a"), bindings()].join("---\n")).await?;
    let denied = fleet.await_delivery("cluster-1", "pair", "Denied").await?;
    assert!(denied["cause"].as_str().unwrap_or_default().contains("pair_a,pair_b"), "{denied}");
    let why = fleet.cli_any(&["why", "cluster-1", "corp/database/pair_a,pair_b"]).await?;
    assert!(why.stdout.contains("no grant of project shop allows it"), "{}{}", why.stdout, why.stderr);

    for (name, item, reason) in [
        ("pinned", format!("mount: {DB}, staticRole: app, version: 1"), "only KV version 2 has versions"),
        ("both", format!("mount: {DB}, staticRole: app, path: app"), "name one thing"),
        ("other", format!("mount: {KV1}, path: shop/licence"), "is drawn as KvV1 by binding licence"),
        ("role", format!("mount: {DB}, path: app"), "is drawn as StaticRole by binding app"),
    ] {
        let refused = fleet.apply(&binding(name, &item)).await.err().with_context(|| format!("{name} is refused"))?;
        assert!(format!("{refused:#}").contains(reason), "{name}: {refused:#}");
    }
    Ok(())
}
