//! Certificates that are renewed by their age.

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use lockstep_core::rotation::life::{Life, SHARE_DEFAULT};
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, wait};
use serde_json::{Value, json};

use crate::shop::{PKI, Shop};

/// The rights that a role of its own needs.
const RIGHTS: &str = r#"
path "web-pki/issue/short" { capabilities = ["update"] }
path "web-pki/roles/short" { capabilities = ["read"] }
"#;

/// A rotation without a schedule.
pub(crate) fn by_age(name: &str, pki: &str, more: &str) -> String {
    let spec = format!("pki: {{source: corp, mount: {PKI}, {pki}}}\nconfirm: {{deadline: 20s}}{more}");
    Shop::rotation(name, &spec).replace("  schedule: \"0 3 1 * *\"\n", "")
}

fn time(run: &Value, field: &str) -> Result<DateTime<Utc>> {
    Ok(run[field].as_str().with_context(|| format!("no {field} in {run}"))?.parse()?)
}

/// The runs that are done, the oldest first, when there are so many.
async fn done(shop: &Shop, name: &str, count: usize) -> Result<Vec<Value>> {
    wait::until(&format!("{name} to have {count} runs done"), STORY_LIMIT * 5, async || {
        let mut runs = shop.runs(name).await?;
        runs.reverse();
        runs.retain(|run| run["state"] == "Done");
        ensure!(runs.len() >= count, "{runs:?}");
        anyhow::Ok(runs)
    })
    .await
}

#[tokio::test]
async fn a_certificate_of_a_minute_is_renewed_at_its_share_of_life_each_time_and_one_that_somebody_wrote_over_at_once()
-> Result<()> {
    let shop = Shop::start(Settings { replicas: 2, clusters: 2, ..Settings::default() }).await?;
    let fleet = &shop.fleet;
    fleet.bao.extend_policy("lockstep", RIGHTS).await?;
    let role = json!({"allow_any_name": true, "enforce_hostnames": false, "key_type": "ec", "key_bits": 256, "ttl": "60s"});
    fleet.bao.request("POST", &format!("{PKI}/roles/short"), Some(role)).await?;
    fleet.apply(&Fleet::binding("long")).await?;
    let into = |name: &str| format!("commonName: {name}.example, into: {{mount: {KV}, path: shop/{name}}}");
    let short = by_age("short", &format!("role: short, {}", into("tls")), "");
    let long = by_age("long", &format!("role: web, ttl: 30d, renewAtPercent: 50, {}", into("long")), "");
    fleet.apply(&[short, long].concat()).await?;

    let first = done(&shop, "long", 1).await?.remove(0);
    let half = Life { not_before: time(&first, "notBefore")?, not_after: time(&first, "notAfter")? }.at(50.try_into()?);
    wait::until("the next to be due at half of its life", STORY_LIMIT, async || {
        let status = fleet.cli(&["get", "rotation", "long", "-o", "json"]).await?.json()?["status"].take();
        ensure!(time(&status, "nextDueAt")? == half, "{status}, half of its life is {half}");
        anyhow::Ok(())
    })
    .await?;
    fleet.bao.kv_put(KV, "shop/long", &json!({"tls.crt": "mine"})).await?;

    let runs = done(&shop, "short", 4).await?;
    for pair in runs.windows(2) {
        let (before, run) = (&pair[0], &pair[1]);
        let life = Life { not_before: time(before, "notBefore")?, not_after: time(before, "notAfter")? };
        let (due, began) = (time(run, "dueAt")?, time(run, "startedAt")?);
        ensure!(due == life.at(SHARE_DEFAULT), "due at {due} of {life:?}");
        ensure!(began >= due && began < due + TimeDelta::seconds(15) && began < life.not_after, "began at {began} of {life:?}");
        let share = (began - life.not_before).as_seconds_f64() / (life.not_after - life.not_before).as_seconds_f64();
        println!(
            "a certificate of {} s was renewed at {:.1}% of its life",
            (life.not_after - life.not_before).num_seconds(),
            share * 100.0
        );
    }
    let table = fleet.cli(&["get", "rotations"]).await?.stdout;
    ensure!(table.contains("66% of life") && table.contains("50% of life"), "{table}");
    println!("{table}{}", fleet.cli(&["rotation", "history", "short", "-o", "wide"]).await?.stdout);
    fleet.cli(&["rotation", "pause", "short"]).await?;

    let second = done(&shop, "long", 2).await?.remove(1);
    ensure!(second["version"] == 3 && time(&second, "dueAt")? > time(&first, "endedAt")?, "{second}");
    for cluster in ["cluster-1", "cluster-2"] {
        let pem = fleet.file(cluster, "long", "tls.crt")?.context("it was delivered")?;
        ensure!(pem.starts_with("-----BEGIN CERTIFICATE"), "{pem}");
    }
    Ok(())
}
