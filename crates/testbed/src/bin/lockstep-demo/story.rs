//! `--once`: 50 writes over 10 secrets, the replica that watches Vault killed after the 25th, nothing lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{KV, Sink};
use serde_json::Value;

use crate::reader::Reader;
use crate::summary::{Write, summarise};
use crate::{CLUSTERS, REPLICAS, WATCH_INTERVAL};
use lockstep_testbed::shop::{self, SECRETS};

const WRITES: usize = 50;
/// The replica that holds the lease is killed after this many.
const KILL_AFTER: usize = 25;
const PAUSE: Duration = Duration::from_millis(200);
/// How long everything may take to arrive after the last write: a failover with time to spare.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// Plays it; answers whether nothing was lost.
pub(crate) async fn play(fleet: Fleet) -> Result<bool> {
    let reader = Reader::start(&fleet).await?;
    let began = Instant::now();
    let requests_before = requests(&fleet)?;
    let mut writes: Vec<Write> = Vec::new();
    for number in 1..=WRITES {
        let secret = SECRETS[number % SECRETS.len()];
        let written = shop::write(&fleet, secret).await?;
        eprintln!("write {number:2} of {WRITES}: {KV}/shop/{secret} version {}", written.version);
        writes.push(Write { secret, value: written.password, answered: Instant::now() });
        if number == KILL_AFTER {
            let holder = &fleet.replicas[fleet.lease_holder("watch/corp").await?];
            eprintln!("kill -9 of replica {}, which watches the source", holder.name());
            holder.process()?.kill9()?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let newest: BTreeMap<&str, &str> = writes.iter().map(|w| (w.secret, w.value.as_str())).collect();
    let arrived = || (0..CLUSTERS).all(|cluster| newest.values().all(|value| reader.seen(cluster, value).is_some()));
    let deadline = Instant::now() + SETTLE_LIMIT;
    while !arrived() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let asked = requests(&fleet)? - requests_before;
    let summary = summarise(&writes, CLUSTERS, &reader.sightings());
    let differing = compare(&fleet).await?;
    let lost = summary.lost + differing;
    let requests_per_s = f64::from(u32::try_from(asked)?) / seconds;
    let sink = match fleet.sink() {
        Sink::Directory => "directory",
        Sink::Secret => "secret",
    };
    // By hand, so that the keys keep the order in which a person reads them.
    println!(
        "{{\"clusters\":{CLUSTERS},\"writes\":{WRITES},\"delivered\":{},\"superseded\":{},\"lost\":{lost},\"p50_ms\":{},\"p99_ms\":{},\
         \"watch_interval_ms\":{},\"replicas\":{REPLICAS},\"sink\":\"{sink}\",\"vault_requests_per_s\":{requests_per_s:.1}}}",
        summary.delivered,
        summary.superseded,
        summary.percentile_ms(50),
        summary.percentile_ms(99),
        WATCH_INTERVAL.as_millis(),
    );
    Ok(lost == 0)
}

/// How many targets do not hold, byte for byte, what Vault holds.
async fn compare(fleet: &Fleet) -> Result<usize> {
    let mut differing = 0;
    for secret in SECRETS {
        let in_vault = fleet.bao.kv_get(KV, &format!("shop/{secret}")).await?;
        let in_vault = in_vault.as_object().context("Vault's answer is no object")?;
        let wanted: BTreeMap<String, Vec<u8>> = in_vault
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned).into_bytes()))
            .collect();
        for agent in &fleet.agents {
            if agent.content(secret).await?.as_ref() != Some(&wanted) {
                eprintln!("{}: target {secret} differs from Vault", agent.name());
                differing += 1;
            }
        }
    }
    Ok(differing)
}

/// Requests that the replicas made so far for the watched secrets, by Vault's own audit log.
fn requests(fleet: &Fleet) -> Result<usize> {
    let is_ours = |entry: &Value| {
        let policies = entry["auth"]["policies"].as_array();
        entry["type"] == "request"
            && entry["request"]["path"].as_str().is_some_and(|p| p.starts_with("kv/"))
            && policies.is_some_and(|p| p.iter().any(|p| p == "lockstep"))
    };
    Ok(fleet.bao.audit_entries()?.iter().filter(|e| is_ours(e)).count())
}
