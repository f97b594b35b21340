//! How far a write reaches is told before, and what agents then report is that much.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{KV, Output, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, wait};
use serde_json::{Value, json};

const ONE: &str = "cluster-1";
const TWO: &str = "cluster-2";

/// Bindings `gone-1` and `gone-2`, which delete, and `kept`, in two clusters.
async fn fleet() -> Result<Fleet> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 2, ..Settings::default() }).await?;
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "one" })).await?;
    fleet.apply(&fleet.basics()).await?;
    let deleting = ["gone-1", "gone-2"].map(|name| Fleet::bound(name, "shop/db", "deletionPolicy: Delete")).concat();
    fleet.apply(&(deleting + &Fleet::bound("kept", "shop/db", "deletionPolicy: Retain"))).await?;
    fleet.await_deliveries("InSync", 6, STORY_LIMIT).await?;
    Ok(fleet)
}

/// Applies manifests as a pipeline does, with more words.
async fn apply(fleet: &Fleet, manifests: &str, words: &[&str]) -> Result<Output> {
    let path = fleet.folder().join("story.yaml");
    std::fs::write(&path, manifests)?;
    fleet.cli_any(&[&["apply", "-f", &path.to_string_lossy()], words].concat()).await
}

/// What a dry run foretells: targets and clusters of one fate.
async fn foretold(fleet: &Fleet, manifests: &str) -> Result<BTreeMap<String, (u64, u64)>> {
    let tried = apply(fleet, manifests, &["--dry-run=server", "-o", "json"]).await?;
    let radius = tried.json()?["status"]["blastRadius"].clone();
    let part = |fate: &str| {
        let number = |pointer: &str| radius[fate].pointer(pointer).and_then(Value::as_u64).context("no blast radius");
        anyhow::Ok((fate.to_owned(), (number("/targets")?, number("/clusters/count")?)))
    };
    ["create", "rewrite", "delete", "keep"].into_iter().map(part).collect()
}

/// What agents report of a binding: in how many places it is, in how many clusters, with a revision that is newer than this one.
async fn reported(fleet: &Fleet, binding: &str, clusters: usize, after: u64) -> Result<(u64, u64)> {
    wait::until(&format!("{binding} to be in step in {clusters} clusters"), STORY_LIMIT, async || {
        let all = fleet.deliveries().await?;
        let newer = |d: &&Value| {
            let seq = d["appliedRevision"].as_str().and_then(|r| r.rsplit('.').next()).and_then(|seq| seq.parse::<u64>().ok());
            d["binding"] == binding && d["status"] == "InSync" && seq.is_some_and(|seq| seq > after)
        };
        let of: Vec<&Value> = all.iter().filter(newer).collect();
        ensure!(of.len() == clusters, "{}", Value::from(all.clone()));
        anyhow::Ok((of.iter().filter_map(|d| d["targetsApplied"].as_u64()).sum(), of.len() as u64))
    })
    .await
}

async fn newest(fleet: &Fleet) -> Result<u64> {
    let changes = fleet.cli(&["get", "changes", "-o", "json"]).await?.json()?;
    changes["items"][0]["seq"].as_u64().context("no change has a seq")
}

fn relabelled(cluster: &str, env: &str) -> String {
    format!("apiVersion: lockstep.dev/v1\nkind: Cluster\nmetadata: {{name: {cluster}, labels: {{env: {env}}}}}\nspec: {{}}\n")
}

#[tokio::test]
async fn what_is_foretold_is_what_agents_report() -> Result<()> {
    let fleet = fleet().await?;
    // A new binding.
    let new = Fleet::bound("new", "shop/db", "deletionPolicy: Retain");
    let said = foretold(&fleet, &new).await?;
    let before = newest(&fleet).await?;
    assert_eq!(apply(&fleet, &new, &[]).await?.stdout, "binding/new created\n", "what is small is not asked for");
    assert_eq!((said["create"], reported(&fleet, "new", 2, before).await?), ((2, 2), (2, 2)));

    // Other content of one that is there.
    let templated = Fleet::bound("kept", "shop/db", "templates: {url: \"x://{{ password }}\"}");
    let said = foretold(&fleet, &templated).await?;
    let before = newest(&fleet).await?;
    assert_eq!(apply(&fleet, &templated, &[]).await?.stdout, "binding/kept configured\n");
    assert_eq!((said["rewrite"], reported(&fleet, "kept", 2, before).await?), ((2, 2), (2, 2)));
    fleet.await_file(ONE, "kept", "url", Some("x://one")).await?;

    // One that is aimed elsewhere: nobody is there to say yes.
    let aimed = Fleet::bound("gone-1", "shop/db", "deletionPolicy: Delete").replace("{name: gone-1}}", "{name: there}}");
    let said = foretold(&fleet, &aimed).await?;
    assert_eq!((said["create"], said["rewrite"], said["delete"]), ((2, 2), (0, 0), (2, 2)));
    let refused = apply(&fleet, &aimed, &[]).await?;
    let want = "binding/gone-1 would write 2 new directories in 2 clusters (cluster-1, cluster-2), delete 2 directories in 2 clusters \
                (cluster-1, cluster-2)\nerror: this deletes what was delivered; nothing was changed: nobody is here to be asked, so pass --yes \
                if it is meant\n";
    assert_eq!((refused.code, refused.stdout.as_str(), refused.stderr.as_str()), (1, "", want));
    let before = newest(&fleet).await?;
    assert_eq!(apply(&fleet, &aimed, &["--yes"]).await?.stdout, "binding/gone-1 configured\n");
    assert_eq!(reported(&fleet, "gone-1", 2, before).await?, (2, 2));
    for cluster in [ONE, TWO] {
        fleet.await_file(cluster, "there", "password", Some("one")).await?;
        fleet.await_file(cluster, "gone-1", "password", None).await?;
    }

    // A cluster that is relabelled loses what bindings delete, once that is confirmed, and keeps the rest.
    let dev = relabelled(TWO, "dev");
    let said = foretold(&fleet, &dev).await?;
    assert_eq!((said["create"], said["delete"], said["keep"]), ((0, 0), (2, 1), (2, 1)));
    assert_eq!(apply(&fleet, &dev, &[]).await?.code, 1);
    fleet.apply(&dev).await?;
    wait::until("the guard to hold both back", STORY_LIMIT, async || {
        let confirmed = fleet.cli(&["confirm", TWO, "--dry-run=server"]).await?.stdout;
        ensure!(confirmed == "cluster/cluster-2 2 deletions confirmed (server dry run)\n", "{confirmed}");
        anyhow::Ok(())
    })
    .await?;
    fleet.cli(&["confirm", TWO]).await?;
    for name in ["there", "gone-2"] {
        fleet.await_file(TWO, name, "password", None).await?;
    }
    for name in ["kept", "new"] {
        assert_eq!(fleet.file(TWO, name, "password")?.as_deref(), Some("one"), "{name} is kept");
    }
    Ok(())
}

#[tokio::test]
async fn what_reaches_further_than_somebody_said_is_refused_where_nobody_is_asked() -> Result<()> {
    let fleet = fleet().await?;
    let new = Fleet::bound("new", "shop/db", "deletionPolicy: Retain");
    let refused = apply(&fleet, &new, &["--confirm-over", "1"]).await?;
    let want = "binding/new would write 2 new directories in 2 clusters (cluster-1, cluster-2), delete none\nerror: this reaches 2 clusters \
                (--confirm-over 1); nothing was changed: nobody is here to be asked, so pass --yes if it is meant\n";
    assert_eq!((refused.code, refused.stdout.as_str(), refused.stderr.as_str()), (1, "", want));
    assert_eq!(fleet.deliveries().await?.len(), 6);

    // What is granted by the same file is known to reach that far once it is granted.
    let later = fleet.basics().replace("shop-prod", "shop-later").replace("shop/**", "later/**");
    let grant = later.split("---\n").find(|part| part.contains("kind: Grant")).context("no grant")?;
    let both = format!("{grant}---\n{}", Fleet::bound("late", "later/db", "deletionPolicy: Retain"));
    fleet.bao.kv_put(KV, "later/db", &json!({ "password": "one" })).await?;
    let refused = apply(&fleet, &both, &["--confirm-over", "1"]).await?;
    assert_eq!((refused.code, refused.stdout.as_str()), (1, "grant/shop-later created\n"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("; 1 object was applied before it and stays: nobody is here to be asked"),
        "{}",
        refused.stderr
    );
    let applied = apply(&fleet, &both, &["--confirm-over", "2"]).await?;
    assert_eq!(applied.stdout, "grant/shop-later unchanged\nbinding/late created\n", "{}", applied.stderr);

    let deleted = fleet.cli(&["delete", "binding", "gone-1", "--dry-run=server"]).await?;
    let want = "binding/gone-1 would delete 2 directories in 2 clusters (cluster-1, cluster-2)\n";
    assert_eq!((deleted.stdout.as_str(), deleted.stderr.as_str()), ("binding/gone-1 deleted (server dry run)\n", want));
    assert_eq!(fleet.cli_any(&["delete", "binding", "gone-1", "--confirm-over", "1"]).await?.code, 1);
    let deleted = fleet.cli(&["delete", "binding", "gone-1"]).await?;
    assert_eq!((deleted.stdout.as_str(), deleted.stderr.as_str()), ("binding/gone-1 deleted\n", ""), "it was named");
    Ok(())
}
