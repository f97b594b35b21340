//! A look that takes longer than the lease lives, and longer than the interval, comes to its end.

use std::time::Duration;

use anyhow::{Result, ensure};
use lockstep_core::version::SecretState;
use lockstep_testbed::{OpenBao, wait};
use serde_json::json;

use crate::fixture::{LIMIT, Watched};

/// More than one term of the lease has requests for.
const SECRETS: usize = 60;
const LEASE: Duration = Duration::from_secs(2);
const REQUESTS_PER_SECOND: u32 = 15;

#[tokio::test]
async fn every_secret_is_looked_at_also_where_one_term_of_the_lease_is_too_short_for_all() -> Result<()> {
    let bao = OpenBao::shared().await?;
    bao.enable_kv("long").await?;
    let paths: Vec<String> = (0..SECRETS).map(|number| format!("p/{number:03}")).collect();
    for path in &paths {
        bao.kv_put("long", path, &json!({ "p": "x" })).await?;
    }
    // No scan: as with HashiCorp Vault, each path costs a request.
    bao.write_policy("long", r#"path "long/metadata/*" { capabilities = ["read"] }"#).await?;
    let watched = Watched::with_budget(bao.addr(), &bao.create_token(&["long"]).await?, LEASE, REQUESTS_PER_SECOND).await?;
    watched.bind("long", &paths.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let watching = watched.watch()?;
    let seen = async |state: SecretState, version: u64| {
        let secrets = watched.secrets().await?;
        let seen =
            secrets.iter().filter(|s| s.known.state == state && s.known.latest.is_some_and(|v| v.id.number.get() == version));
        anyhow::Ok(seen.count())
    };
    for version in [1, 2] {
        wait::until("every secret to be seen", LIMIT, async || {
            let count = seen(SecretState::Live, version).await?;
            ensure!(count == SECRETS, "{count} of {SECRETS} at version {version}");
            Ok(())
        })
        .await?;
        // The last one is as far from the beginning of a look as can be.
        for path in &paths {
            bao.kv_put("long", path, &json!({ "p": "y" })).await?;
        }
    }
    watching.end().await
}
