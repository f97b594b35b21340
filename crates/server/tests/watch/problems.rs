//! What is wrong with one secret is noted there for as long as it is so.

use anyhow::{Result, ensure};
use lockstep_core::version::SecretState;
use lockstep_store::secret::SecretRecord;
use lockstep_testbed::OpenBao;
use serde_json::json;
use std::time::Duration;

use crate::fixture::{INTERVAL, Watched};

/// More than are asked for one by one where the server can scan.
const PATHS: [&str; 10] = ["p/a", "p/b", "p/c", "p/d", "p/e", "p/f", "p/g", "p/h", "p/i", "p/j"];
/// Long enough to be no matter here.
const LEASE: Duration = Duration::from_secs(15);

/// A mount with these paths written, all bound, whose policy allows nothing yet.
async fn closed(mount: &str, written: &[&str], bound: &[&str]) -> Result<(&'static OpenBao, Watched)> {
    let bao = OpenBao::shared().await?;
    bao.enable_kv(mount).await?;
    for path in written {
        bao.kv_put(mount, path, &json!({ "p": "x" })).await?;
    }
    open(bao, mount, "").await?;
    let watched = Watched::at(bao.addr(), &bao.create_token(&[mount]).await?, LEASE).await?;
    watched.bind(mount, bound).await?;
    Ok((bao, watched))
}

/// Lets the policy allow this and nothing else.
async fn open(bao: &OpenBao, mount: &str, hcl: &str) -> Result<()> {
    bao.write_policy(mount, &format!("path \"sys/none\" {{ capabilities = [\"deny\"] }}\n{hcl}")).await
}

fn is_forbidden(secret: &SecretRecord) -> bool {
    secret.problem.as_deref().is_some_and(|problem| problem.contains("extend the policy"))
}

fn is_well(secret: &SecretRecord) -> bool {
    secret.problem.is_none() && secret.known.state == SecretState::Live
}

#[tokio::test]
async fn a_get_that_succeeds_ends_a_secrets_problem() -> Result<()> {
    let (bao, watched) = closed("problem-get", &PATHS[..1], &PATHS[..1]).await?;
    let watching = watched.watch()?;
    watched.until_all("the policy's refusal to be noted", is_forbidden).await?;
    open(bao, "problem-get", r#"path "problem-get/metadata/*" { capabilities = ["read"] }"#).await?;
    watched.until_all("the problem to be over", is_well).await?;
    watching.end().await
}

#[tokio::test]
async fn a_scan_that_succeeds_ends_a_secrets_problem() -> Result<()> {
    let (bao, watched) = closed("problem-scan", &PATHS, &PATHS).await?;
    let watching = watched.watch()?;
    watched.until_all("the policy's refusal to be noted", is_forbidden).await?;
    // A watcher that was refused a scan tries none for a while; one on another replica does.
    watching.end().await?;
    open(bao, "problem-scan", r#"path "problem-scan/detailed-metadata/*" { capabilities = ["scan"] }"#).await?;
    let watching = watched.watch()?;
    watched.until_all("the problem to be over", is_well).await?;
    watching.end().await
}

#[tokio::test]
async fn a_scan_does_not_end_the_problem_of_a_secret_that_needs_a_get() -> Result<()> {
    let (bao, watched) = closed("problem-both", &PATHS[1..], &PATHS).await?;
    open(bao, "problem-both", r#"path "problem-both/detailed-metadata/*" { capabilities = ["scan"] }"#).await?;
    let watching = watched.watch()?;
    let absent = |secret: &SecretRecord| secret.path.as_str() == PATHS[0];
    watched.until_all("the scan", |secret| if absent(secret) { is_forbidden(secret) } else { is_well(secret) }).await?;
    let began = tokio::time::Instant::now();
    while began.elapsed() < 10 * INTERVAL {
        let secrets = watched.secrets().await?;
        ensure!(secrets.iter().filter(|s| absent(s)).all(is_forbidden), "noted and cleared in turn: {secrets:?}");
        tokio::time::sleep(INTERVAL / 10).await;
    }
    // It can be looked at now, and there is nothing: that is no problem, but a state.
    open(
        bao,
        "problem-both",
        "path \"problem-both/detailed-metadata/*\" { capabilities = [\"scan\"] }\n\
         path \"problem-both/metadata/*\" { capabilities = [\"read\"] }",
    )
    .await?;
    let is_missing = |secret: &SecretRecord| secret.problem.is_none() && secret.known.state == SecretState::Missing;
    watched.until_all("the GET", |secret| if absent(secret) { is_missing(secret) } else { is_well(secret) }).await?;
    watching.end().await
}
