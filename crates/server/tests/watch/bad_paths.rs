//! A path that cannot be looked at stops no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use lockstep_core::version::SecretState;
use lockstep_store::secret::SecretRecord;
use lockstep_testbed::OpenBao;
use serde_json::json;

use crate::fixture::{Watched, is_at};
use crate::relay::{self, Fate};

/// A call may take half of it.
const LEASE: Duration = Duration::from_secs(4);

async fn put(bao: &OpenBao, mount: &str, paths: &[&str], value: &str) -> Result<()> {
    for path in paths {
        bao.kv_put(mount, path, &json!({ "p": value })).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_mount_of_another_engine_stops_no_other() -> Result<()> {
    let bao = OpenBao::shared().await?;
    // In the order in which they are looked at: one before it, one after it.
    for mount in ["bad-a", "bad-z"] {
        bao.enable_kv(mount).await?;
        put(bao, mount, &["db"], "one").await?;
    }
    bao.request("POST", "sys/mounts/bad-transit", Some(json!({ "type": "transit" }))).await?;
    bao.write_policy("bad-mounts", "path \"bad-*\" { capabilities = [\"read\"] }").await?;
    let watched = Watched::at(bao.addr(), &bao.create_token(&["bad-mounts"]).await?, LEASE).await?;
    watched.bind_of(&[("bad-a", "db"), ("bad-transit", "db"), ("bad-z", "db")]).await?;
    let watching = watched.watch()?;
    let is_of_transit = |s: &SecretRecord| s.mount.as_str() == "bad-transit";
    let says = |s: &SecretRecord| s.problem.as_deref().is_some_and(|p| p.contains("this server has no"));
    for version in [1, 2, 3] {
        watched.until_all("all others", |s| if is_of_transit(s) { says(s) } else { is_at(s, version) }).await?;
        put(bao, "bad-a", &["db"], "next").await?;
        put(bao, "bad-z", &["db"], "next").await?;
    }
    watching.end().await
}

/// More than the watcher gives a source up for.
const BAD: [&str; 5] = ["m/bad-1", "m/bad-2", "m/bad-3", "m/bad-4", "m/bad-5"];
const GOOD: [&str; 2] = ["a/good", "z/good"];

/// Five paths come to nothing; the others are seen, and go on being seen; and all are when all is well again.
async fn stop_no_other(mount: &str, fate: Fate, says: &str) -> Result<()> {
    let bao = OpenBao::shared().await?;
    bao.enable_kv(mount).await?;
    let all: Vec<&str> = GOOD.into_iter().chain(BAD).collect();
    put(bao, mount, &all, "one").await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    let fate = move |line: &str| {
        let is_bad = line.contains("/m/bad-") && !over.load(Ordering::SeqCst);
        if is_bad { fate } else { Fate::Passed }
    };
    let watched = Watched::at(&relay::before(bao, fate).await?, bao.root_token(), LEASE).await?;
    watched.bind(mount, &all).await?;
    let watching = watched.watch()?;
    let is_bad = |s: &SecretRecord| s.path.as_str().contains("bad");
    for version in [1, 2, 3] {
        watched.until_all("the others", |s| is_bad(s) || is_at(s, version)).await?;
        put(bao, mount, &GOOD, "next").await?;
    }
    let is_said = |s: &SecretRecord| s.problem.as_deref().is_some_and(|p| p.contains(says));
    watched.until_all("the problems to be noted", |s| !is_bad(s) || is_said(s) && s.known.state == SecretState::Unseen).await?;
    is_over.store(true, Ordering::SeqCst);
    watched.until_all("all", |s| s.problem.is_none() && is_at(s, if is_bad(s) { 1 } else { 4 })).await?;
    watching.end().await
}

#[tokio::test]
async fn paths_that_break_their_engine_stop_no_other() -> Result<()> {
    stop_no_other("bad-broken", Fate::Broken, "status 500").await
}

#[tokio::test]
async fn paths_that_are_never_answered_stop_no_other() -> Result<()> {
    stop_no_other("bad-lost", Fate::Lost, "did not answer").await
}
