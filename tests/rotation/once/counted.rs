//! What became of it: counted in the registry, in the history, and version by version in Vault.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, Utc};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::KV;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use super::due::{COUNT, Due, NAME};

#[derive(sqlx::FromRow)]
struct Row {
    nth: String,
    due_at: DateTime<Utc>,
    state: Option<String>,
    stage: Value,
    prepared: i64,
    token: i64,
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
}

/// Checks that each due time had one run, and that each run made one version. The figures, to be printed.
pub(super) async fn exactly_once(fleet: &Fleet, due: &Due) -> Result<String> {
    let mut connection = PgConnection::connect(fleet.database.url()).await?;
    let runs: Vec<Row> = sqlx::query_as(
        "select right(o.name, 3) as nth, r.due_at, (select * from jsonb_object_keys(r.stage) limit 1) as state, r.stage, r.token, \
             (select count(*) from jsonb_array_elements(r.passed) p where p ->> 'stage' = 'Preparing') as prepared, \
             r.started_at, r.ended_at \
         from rotation_run r join rotation o on o.id = r.rotation_id where r.due_at >= $1 order by o.name, r.due_at",
    )
    .bind(due.times[0])
    .fetch_all(&mut connection)
    .await?;
    ensure!(runs.len() == COUNT, "{} runs", runs.len());
    for (nth, run) in runs.iter().enumerate() {
        ensure!(run.nth == format!("{nth:03}") && run.due_at == due.times[nth], "the run of {} is for {}", run.nth, run.due_at);
        ensure!(run.state.as_deref() == Some("Done"), "the run of {} ended with {}", run.nth, run.stage);
        ensure!(run.started_at >= run.due_at, "the run of {} began early", run.nth);
    }
    let after = versions(fleet, due).await?;
    delivered(fleet).await?;

    let again: i64 = runs.iter().map(|run| run.prepared - 1).sum();
    let taken_again = runs.iter().filter(|run| run.token > 1).count();
    let mut fenced = 0.0;
    for replica in &fleet.replicas {
        fenced += replica.metric("lockstep_lease_fenced_total").await?.unwrap_or_default();
    }
    let latest = runs.iter().map(|run| (run.started_at - run.due_at).as_seconds_f64()).fold(0.0, f64::max);
    let took = runs.iter().map(|run| run.ended_at).max().context("no run")? - due.times[0];
    let mut figures = format!("version {} -> {after}, {} runs", due.before, runs.len());
    for kind in ["RotationStarted", "RotationDone"] {
        let by: Vec<(String, i64)> =
            sqlx::query_as("select actor, count(*) from change where kind = $1 and seq > $2 group by actor order by actor")
                .bind(kind)
                .bind(due.seq)
                .fetch_all(&mut connection)
                .await?;
        ensure!(by.iter().map(|(_, count)| count).sum::<i64>() == i64::try_from(COUNT)?, "{kind}: {by:?}");
        let by: Vec<_> = by.iter().map(|(actor, count)| format!("{actor} {count}")).collect();
        write!(figures, ", {kind} by {}", by.join(" + "))?;
    }
    write!(
        figures,
        ", prepared anew {again} times, taken more than once {taken_again}, fenced {fenced}, begun at most {latest:.1} s late, {:.1} s from \
         the first due time to the last end",
        took.as_seconds_f64()
    )?;
    Ok(figures)
}

/// Each version changed one key, and no key was changed twice. The newest version's number.
async fn versions(fleet: &Fleet, due: &Due) -> Result<u64> {
    let path = format!("shop/{NAME}");
    let after = fleet.bao.kv_metadata(KV, &path).await?["current_version"].as_u64().context("no version")?;
    ensure!(after - due.before == u64::try_from(COUNT)?, "version {} became {after}", due.before);
    let mut changed: BTreeMap<String, u64> = BTreeMap::new();
    let mut former = values(fleet, &path, due.before).await?;
    for version in due.before + 1..=after {
        let values = values(fleet, &path, version).await?;
        let keys: Vec<_> =
            values.iter().filter(|(key, value)| former.get(*key) != Some(*value)).map(|(key, _)| key.clone()).collect();
        ensure!(keys.len() == 1 && values.len() == former.len(), "version {version} changed {keys:?}");
        for key in keys {
            ensure!(changed.insert(key.clone(), version).is_none(), "{key} was changed twice");
        }
        former = values;
    }
    let expected: Vec<_> = (0..COUNT).map(|nth| format!("k{nth:03}")).collect();
    ensure!(changed.into_keys().eq(expected), "not every key was made");
    Ok(after)
}

async fn values(fleet: &Fleet, path: &str, version: u64) -> Result<BTreeMap<String, Value>> {
    let data = fleet.bao.kv_get_version(KV, path, version).await?;
    Ok(data.as_object().context("no values")?.clone().into_iter().collect())
}

/// The cluster has the newest version.
async fn delivered(fleet: &Fleet) -> Result<()> {
    let newest = fleet.bao.kv_get(KV, &format!("shop/{NAME}")).await?;
    for (key, value) in newest.as_object().context("no values")? {
        fleet.await_file("cluster-1", NAME, key, value.as_str()).await?;
    }
    Ok(())
}
