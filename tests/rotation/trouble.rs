//! A Vault that is sealed, a database that is down, and people who write at the same time: a run tries again or ends, and takes nothing from anybody.

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, Postgres, wait};
use serde_json::{Value, json};

use crate::fail_point::{FailPoint, restart};
use crate::shop::{DB, Shop};

/// The mount of the engine of a database that the shop's registry is not in.
const AWAY: &str = "away";

fn settings() -> Settings {
    Settings { replicas: 1, clusters: 2, lease_ms: 2_000, ..Settings::default() }
}

/// A rotation of the key `token` of `kv/shop/token`.
fn token(more: &str) -> String {
    let generate = format!("generate: {{source: corp, mount: {KV}, path: shop/token, keys: {{token: {{random: {{}}}}}}}}");
    Shop::rotation("token", &format!("{generate}{more}"))
}

/// Waits until the newest run stands like this, and its message says this.
async fn says(shop: &Shop, name: &str, is: impl Fn(&Value) -> bool, text: &str) -> Result<Value> {
    wait::until(&format!("the run of {name} to say {text:?}"), STORY_LIMIT, async || {
        let run = shop.runs(name).await?.into_iter().next().context("no run")?;
        let said = run["message"].as_str().unwrap_or_default().contains(text);
        ensure!(is(&run) && said, "{run}");
        Ok(run)
    })
    .await
}

#[tokio::test]
async fn a_vault_that_is_sealed_in_mid_run_is_waited_for_and_told_of() -> Result<()> {
    let shop = Shop::start(settings()).await?;
    let pair = format!("databasePair: {{source: corp, mount: {DB}, roles: [pair_a, pair_b], minOverlap: 3s}}");
    shop.fleet.apply(&[Shop::rotation("pair", &pair), token("")].concat()).await?;
    let before = shop.credentials("cluster-1", "pair")?.context("credentials")?;
    shop.fleet.cli(&["rotation", "run", "pair"]).await?;
    says(&shop, "pair", |run| run["stage"] == "Overlapping", "").await?;
    shop.fleet.bao.seal().await?;
    shop.fleet.cli(&["rotation", "run", "token"]).await?;
    for (name, stage) in [("pair", "Overlapping"), ("token", "Preparing")] {
        let run = says(&shop, name, |run| run["stage"] == stage && run["state"] == "Running", "sealed: unseal it").await?;
        println!("{name}, sealed: {}", run["message"]);
    }
    let history = shop.fleet.cli(&["rotation", "history", "pair"]).await?.stdout;
    ensure!(history.contains("sealed"), "{history}");
    let now = shop.credentials("cluster-1", "pair")?.context("credentials")?;
    for (user, password) in [&before, &now] {
        ensure!(shop.database.lets_in(user, password).await?, "both work until the run goes on");
    }
    shop.fleet.bao.unseal().await?;
    for name in ["pair", "token"] {
        let run = shop.ended(name, 1).await?;
        ensure!(run["state"] == "Done", "{run}");
    }
    ensure!(shop.credentials("cluster-1", "pair")?.as_ref() == Some(&now) && now.0 != before.0, "it was rotated once");
    ensure!(shop.database.lets_in(&now.0, &now.1).await?, "the new one works");
    ensure!(!shop.database.lets_in(&before.0, &before.1).await?, "the one before is retired");
    ensure!(shop.kv_version("shop/token").await? == 2, "the other run wrote once");
    Ok(())
}

/// Has a pair in a database on a server of its own delivered as `away`, with a rotation of that name.
async fn away(shop: &Shop, target: &Postgres) -> Result<lockstep_testbed::Database> {
    let database = target.create_database().await?;
    let bao = &shop.fleet.bao;
    bao.enable_database(AWAY, &database).await?;
    let rights: Vec<String> = [("static-roles", "read"), ("static-creds", "read"), ("rotate-role", "update"), ("config", "read")]
        .map(|(what, capability)| format!("path \"{AWAY}/{what}/*\" {{ capabilities = [\"{capability}\"] }}\n"))
        .into();
    bao.extend_policy("lockstep", &rights.concat()).await?;
    for role in ["one", "two"] {
        bao.static_role(AWAY, role, &database, std::time::Duration::from_hours(24 * 365)).await?;
    }
    let grant = format!(
        "apiVersion: lockstep.dev/v1\nkind: Grant\nmetadata: {{name: away}}\nspec:\n  project: shop\n  \
         paths: [{{source: corp, mount: {AWAY}, globs: [\"*\"]}}]\n  clusters: {{matchLabels: {{env: prod}}}}\n  namespaces: []\n---\n"
    );
    let binding =
        Fleet::binding(AWAY).replace(&format!("mount: {KV}, path: shop/{AWAY}"), &format!("mount: {AWAY}, rolePair: [one, two]"));
    shop.fleet.apply(&[grant, binding].concat()).await?;
    shop.fleet.await_delivery("cluster-1", AWAY, "InSync").await?;
    let pair = format!("databasePair: {{source: corp, mount: {AWAY}, roles: [one, two], minOverlap: 1s}}");
    shop.fleet.apply(&Shop::rotation(AWAY, &pair)).await?;
    Ok(database)
}

#[tokio::test]
async fn while_the_database_is_away_clusters_keep_what_they_have_and_nobody_logs_in_blindly() -> Result<()> {
    let target = Postgres::start().await?;
    let shop = Shop::start(settings()).await?;
    let database = away(&shop, &target).await?;
    // Gone, and then silent to whoever comes anew: the source's own connection goes on, so that its password is changed and cannot be tried.
    for (count, is_silent) in [(1, false), (2, true)] {
        let before = shop.credentials("cluster-1", AWAY)?.context("credentials")?;
        if is_silent {
            target.pause()?;
        } else {
            target.stop().await?;
        }
        shop.fleet.cli(&["rotation", "run", AWAY]).await?;
        let stage = if is_silent { "Verifying" } else { "Making" };
        let tried = |run: &Value| run["stage"] == stage && run["state"] == "Running" && run["message"].is_string();
        let run = says(&shop, AWAY, tried, "").await?;
        let of = if is_silent { "database" } else { "the database behind it did not do the" };
        ensure!(run["message"].as_str().is_some_and(|message| message.contains(of)), "{run}");
        println!("database {}: {}", if is_silent { "silent" } else { "down" }, run["message"]);
        ensure!(shop.credentials("cluster-1", AWAY)?.as_ref() == Some(&before), "clusters keep what they have");
        if is_silent {
            target.resume()?;
        } else {
            target.start_again().await?;
        }
        let run = shop.ended(AWAY, count).await?;
        ensure!(run["state"] == "Done", "{run}");
        let log = target.log();
        ensure!(!log.contains("password authentication failed"), "somebody tried a wrong password:\n{log}");
        let (user, password) = shop.credentials("cluster-1", AWAY)?.context("credentials")?;
        ensure!(user != before.0 && database.lets_in(&user, &password).await?, "the new one works");
    }
    Ok(())
}

#[tokio::test]
async fn what_a_person_writes_in_mid_run_is_never_written_over() -> Result<()> {
    let mut shop = Shop::start(settings()).await?;
    shop.fleet.apply(&token("")).await?;
    let write = async |shop: &Shop, data: &Value| shop.fleet.bao.kv_put(KV, "shop/token", data).await;
    let read = async |shop: &Shop| shop.fleet.bao.kv_get(KV, "shop/token").await;

    // Of another key: it is kept, and the rotated one gets its new value on top.
    let stopped = FailPoint::arm(&mut shop, "generate", "Making").await?;
    shop.fleet.cli_any(&["rotation", "run", "token"]).await?;
    stopped.killed(&shop).await?;
    write(&shop, &json!({"token": "first", "other": "a person's", "count": 7})).await?;
    restart(&mut shop).await?;
    let run = shop.ended("token", 1).await?;
    ensure!(run["state"] == "Done" && run["version"] == 3, "{run}");
    let data = read(&shop).await?;
    ensure!(data["other"] == "a person's" && data["token"] != "first", "his key, and a new value");
    shop.fleet.await_file("cluster-2", "token", "token", data["token"].as_str()).await?;

    // Of the rotated key: it stays, and the run says so.
    let stopped = FailPoint::arm(&mut shop, "generate", "Making").await?;
    shop.fleet.cli_any(&["rotation", "run", "token"]).await?;
    stopped.killed(&shop).await?;
    let his = json!({"token": "a person's", "other": "kept"});
    write(&shop, &his).await?;
    restart(&mut shop).await?;
    let run = shop.ended("token", 2).await?;
    ensure!(run["state"] == "Failed" && run["message"].to_string().contains("somebody wrote version 4 of shop/token"), "{run}");
    println!("a person wrote the rotated key: {}", run["message"]);
    ensure!(read(&shop).await? == his, "the person's value stays");
    shop.fleet.await_file("cluster-2", "token", "token", Some("a person's")).await?;

    // Deleted: nothing is written over the deletion.
    shop.fleet.bao.kv_soft_delete(KV, "shop/token", &[4]).await?;
    shop.fleet.cli(&["rotation", "run", "token"]).await?;
    let run = shop.ended("token", 3).await?;
    ensure!(run["state"] == "Failed" && run["message"].to_string().contains("write the secret anew"), "{run}");
    println!("deleted: {}", run["message"]);
    ensure!(shop.kv_version("shop/token").await? == 4, "nothing was written");
    write(&shop, &json!({"token": "fifth", "other": "kept"})).await?;
    shop.fleet.await_file("cluster-2", "token", "token", Some("fifth")).await?;

    // After the run's own write and before it is rolled back: left alone.
    shop.fleet.apply(&token("\nconfirm: {deadline: 4s, onDeadline: RollBack}")).await?;
    shop.fleet.agents[1].process()?.stop().await?;
    shop.fleet.cli(&["rotation", "run", "token"]).await?;
    says(&shop, "token", |run| run["stage"] == "Confirming", "").await?;
    write(&shop, &his).await?;
    let run = shop.ended("token", 4).await?;
    ensure!(run["state"] == "Failed" && run["message"].to_string().contains("somebody wrote version 7 meanwhile"), "{run}");
    println!("before a rollback: {}", run["message"]);
    ensure!(read(&shop).await? == his && shop.kv_version("shop/token").await? == 7, "the person's value stays");
    shop.fleet.await_file("cluster-1", "token", "token", Some("a person's")).await
}
