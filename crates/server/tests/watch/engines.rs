//! What Vault has no version numbers for is looked at by itself, and counted.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lockstep_core::engine::{Engine, Member};
use lockstep_core::version::{Known, Mark, SecretState};
use lockstep_testbed::{OpenBao, Postgres};
use serde_json::json;

use crate::fixture::{Watched, is_at};

const DAY: Duration = Duration::from_hours(24);

async fn known(watched: &Watched, path: &str) -> Result<Known> {
    let found = watched.secrets().await?.into_iter().find(|secret| secret.path.as_str() == path);
    Ok(found.context("it is bound")?.known)
}

/// More than are looked at one by one where the server can scan: what a scan does not show is left out of it.
#[tokio::test]
async fn each_change_is_the_next_version_beside_a_mount_that_is_scanned() -> Result<()> {
    let (bao, database) = (OpenBao::shared().await?, Postgres::shared().await?.create_database().await?);
    bao.enable_kv("eng-kv").await?;
    bao.enable_kv1("eng-kv1").await?;
    bao.enable_database("eng-db", &database).await?;
    for role in ["one", "a", "b"] {
        bao.static_role("eng-db", role, &database, DAY).await?;
    }
    bao.kv1_put("eng-kv1", "old", &json!({ "p": "x" })).await?;
    let paths: Vec<String> = (0..12).map(|n| format!("p/{n:02}")).collect();
    for path in &paths {
        bao.kv_put("eng-kv", path, &json!({ "p": "x" })).await?;
    }
    let mut bound: Vec<_> = paths.iter().map(|path| (Engine::KvV2, "eng-kv", path.as_str())).collect();
    let counted = [(Engine::StaticRole, "eng-db", "one"), (Engine::RolePair, "eng-db", "a,b"), (Engine::KvV1, "eng-kv1", "old")];
    bound.extend(counted);
    let watched = Watched::at(bao.addr(), bao.root_token(), Duration::from_secs(15)).await?;
    watched.bind_drawn(&bound).await?;
    let watching = watched.watch()?;
    watched.until_all("every secret at its first version", |s| is_at(s, 1)).await?;
    let scans = bao.count_requests(|path, operation| operation == "scan" && path.starts_with("eng-kv/"))?;
    assert!(scans > 0, "the mount is scanned");
    let first = known(&watched, "a,b").await?;
    assert_eq!(first.chosen.map(|v| v.mark), Some(Mark::Member(Member::First)));

    bao.rotate_static_role("eng-db", "b").await?;
    bao.rotate_static_role("eng-db", "one").await?;
    bao.rotate_static_role("eng-db", "a").await?;
    bao.kv1_put("eng-kv1", "old", &json!({ "p": "y" })).await?;
    watched.until_all("those that changed at their second", |s| is_at(s, if s.engine == Engine::KvV2 { 1 } else { 2 })).await?;
    let second = known(&watched, "a,b").await?;
    assert_eq!(second.chosen.map(|v| v.mark), Some(Mark::Member(Member::First)), "the other role's rotation moves nothing");
    assert!(second.chosen.map(|v| v.created) > first.chosen.map(|v| v.created));

    bao.delete_static_role("eng-db", "one").await?;
    bao.kv1_delete("eng-kv1", "old").await?;
    let gone = |engine| matches!(engine, Engine::StaticRole | Engine::KvV1);
    watched.until_all("what was deleted to be missing", |s| !gone(s.engine) || s.known.state == SecretState::Missing).await?;
    assert_eq!(known(&watched, "one").await?.chosen.map(|v| v.id.number.get()), Some(2), "what was known is kept");
    watching.end().await
}

#[tokio::test]
async fn a_role_of_a_pair_that_may_not_be_looked_at_is_told_and_takes_nothing_away() -> Result<()> {
    let (bao, database) = (OpenBao::shared().await?, Postgres::shared().await?.create_database().await?);
    bao.enable_database("eng-half", &database).await?;
    for role in ["a", "b"] {
        bao.static_role("eng-half", role, &database, DAY).await?;
    }
    bao.write_policy("eng-half", "path \"eng-half/static-roles/a\" { capabilities = [\"read\"] }").await?;
    let token = bao.create_token(&["eng-half"]).await?;
    let watched = Watched::at(bao.addr(), &token, Duration::from_secs(15)).await?;
    watched.bind_drawn(&[(Engine::RolePair, "eng-half", "a,b")]).await?;
    let watching = watched.watch()?;
    let told = |problem: &str| problem.contains("eng-half/static-roles/b");
    watched.until_all("the missing right to be told", |s| s.problem.as_deref().is_some_and(told)).await?;
    assert_eq!(known(&watched, "a,b").await?.state, SecretState::Unseen);
    bao.extend_policy("eng-half", "path \"eng-half/static-roles/b\" { capabilities = [\"read\"] }").await?;
    watched.until_all("the pair to be seen", |s| is_at(s, 1) && s.problem.is_none()).await?;
    watching.end().await
}
