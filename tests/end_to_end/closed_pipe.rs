//! What becomes of a command whose reader has gone, as in `lockstep apply -f manifests/ | head -1`.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, bin};
use serde_json::json;

/// Runs `lockstep` with nobody at the other end of its standard output, and gives its exit code.
async fn unread(fleet: &Fleet, words: &[&str]) -> Result<i32> {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let mut child = tokio::process::Command::new(bin("lockstep")?)
        .args(words)
        .env("LOCKSTEP_CONFIG", fleet.cli_config())
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    match tokio::time::timeout(STORY_LIMIT, child.wait()).await {
        Ok(status) => status?.code().context("it was killed"),
        Err(_) => bail!("lockstep {words:?} does not end"),
    }
}

#[tokio::test]
async fn a_command_that_changes_things_does_all_of_it_also_where_nobody_reads_what_it_says() -> Result<()> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 0, ..Settings::default() }).await?;
    fleet.bao.kv_put(KV, "shop/a", &json!({ "password": "one" })).await?;
    let write = |name: &str, text: String| {
        let path = fleet.folder().join(name);
        std::fs::write(&path, text).map(|()| path.to_string_lossy().into_owned())
    };
    let bindings = ["a", "b", "c"].map(Fleet::binding).concat();
    let all = write("all.yaml", format!("{}---\n{bindings}", fleet.basics()))?;
    let bindings = write("bindings.yaml", bindings)?;

    assert_eq!(unread(&fleet, &["diff", "-f", &all]).await?, 1, "something would change");
    assert_eq!(unread(&fleet, &["apply", "-f", &all]).await?, 0);
    let shown = fleet.cli(&["get", "bindings", "-o", "name"]).await?.stdout;
    assert_eq!(shown, "binding/a\nbinding/b\nbinding/c\n", "the first line found no reader, and the others followed it");
    assert_eq!(unread(&fleet, &["diff", "-f", &all]).await?, 0);
    assert_eq!(unread(&fleet, &["get", "bindings"]).await?, 0, "whoever only looks has seen enough");

    let refused = ["delete", "binding/a", "project/shop", "binding/b", "binding/c"];
    assert_eq!(unread(&fleet, &refused).await?, 1, "the project is still used");
    assert_eq!(fleet.cli(&["get", "bindings", "-o", "name"]).await?.stdout, "");
    assert_eq!(unread(&fleet, &["apply", "-f", &bindings]).await?, 0);
    assert_eq!(unread(&fleet, &["delete", "-f", &bindings]).await?, 0);
    assert_eq!(fleet.cli(&["get", "bindings", "-o", "name"]).await?.stdout, "");
    Ok(())
}
