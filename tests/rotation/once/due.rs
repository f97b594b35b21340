//! Rotations of one secret, each with one due time.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use lockstep_testbed::fleet::KV;
use lockstep_testbed::{Fleet, wait};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

/// How many.
pub(super) const COUNT: usize = 200;
/// How many are due in one second.
const PER_SECOND: usize = 20;
/// From before it is planned until the first is due.
const LEAD: TimeDelta = TimeDelta::seconds(4);
/// How long all of them may take from the last due time on.
const LIMIT: Duration = Duration::from_mins(4);

/// The secret, and what the rotations' names begin with.
pub(super) const NAME: &str = "once";

/// What is due.
pub(super) struct Due {
    /// The secret's newest version before.
    pub(super) before: u64,
    /// The newest change before.
    pub(super) seq: i64,
    /// When each is due.
    pub(super) times: Vec<DateTime<Utc>>,
}

/// Writes a secret with a binding, and rotations of its keys of which none is due yet.
pub(super) async fn write(fleet: &Fleet) -> Result<()> {
    // Every version is looked at in the end.
    let keep = json!({"max_versions": 4 * COUNT});
    fleet.bao.request("POST", &format!("{KV}/metadata/shop/{NAME}"), Some(keep)).await?;
    let keys: serde_json::Map<_, _> = (0..COUNT).map(|nth| (format!("k{nth:03}"), json!("first"))).collect();
    fleet.bao.kv_put(KV, &format!("shop/{NAME}"), &keys.into()).await?;
    fleet.apply(&Fleet::binding(NAME)).await?;
    fleet.await_delivery("cluster-1", NAME, "InSync").await?;
    let began = tokio::time::Instant::now();
    let manifests: Vec<_> = (0..COUNT).map(manifest).collect();
    fleet.apply(&manifests.concat()).await?;
    println!("{COUNT} rotations written in {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

impl Due {
    /// Has each be due once, soon. What the schedules say is changed in the registry: writing all of them takes longer than may pass
    /// until the first is due.
    pub(super) async fn plan(fleet: &Fleet) -> Result<Self> {
        let mut connection = PgConnection::connect(fleet.database.url()).await?;
        let seq = sqlx::query_scalar("select seq from registry").fetch_one(&mut connection).await?;
        let before =
            fleet.bao.kv_metadata(KV, &format!("shop/{NAME}")).await?["current_version"].as_u64().context("no version")?;
        let first = whole(now(fleet).await? + LEAD);
        let times: Vec<_> =
            (0..COUNT).map(|nth| first + TimeDelta::seconds(i64::try_from(nth / PER_SECOND).unwrap_or(0))).collect();
        for (nth, at) in times.iter().enumerate() {
            let changed = sqlx::query(
                "update rotation set spec = jsonb_set(spec, '{timing,schedule,schedule}', to_jsonb($2::text)), \
                     settled_at = clock_timestamp(), look_at = clock_timestamp() where name = $1",
            );
            let changed = changed.bind(format!("{NAME}-{nth:03}")).bind(at.format("%-S %-M %-H %-d %-m *").to_string());
            ensure!(changed.execute(&mut connection).await?.rows_affected() == 1, "rotation {nth} is there");
        }
        ensure!(now(fleet).await? < first, "it took longer than there was");
        Ok(Self { before, seq, times })
    }

    /// Waits until every due time has come to its end, and nothing is left to be looked at.
    pub(super) async fn ended(&self, fleet: &Fleet) -> Result<()> {
        let mut connection = PgConnection::connect(fleet.database.url()).await?;
        let over = (self.times[COUNT - 1] - now(fleet).await?).to_std().unwrap_or_default();
        let done = wait::until("all runs to come to their end", over + LIMIT, async || {
            let (ended, open, waiting): (i64, i64, i64) = sqlx::query_as(
                "select count(r.ended_at), count(r.id) - count(r.ended_at), \
                     count(*) filter (where o.look_at <= clock_timestamp() or r.id is null) \
                 from rotation o left join rotation_run r on r.rotation_id = o.id and r.due_at >= $1",
            )
            .bind(self.times[0])
            .fetch_one(&mut connection)
            .await?;
            ensure!((open, waiting) == (0, 0), "{ended} ended, {open} are under way, {waiting} wait");
            anyhow::Ok(())
        })
        .await;
        if done.is_err() {
            for replica in &fleet.replicas {
                println!("{}", replica.process()?.log_tail());
            }
        }
        done
    }

    /// How many runs have begun.
    pub(super) async fn begun(&self, fleet: &Fleet) -> Result<usize> {
        let mut connection = PgConnection::connect(fleet.database.url()).await?;
        let count: i64 = sqlx::query_scalar(
            "select count(*) from rotation_run r join rotation o on o.id = r.rotation_id where r.due_at >= $1",
        )
        .bind(self.times[0])
        .fetch_one(&mut connection)
        .await?;
        Ok(usize::try_from(count)?)
    }

    /// How many of them this replica began.
    pub(super) async fn begun_by(&self, fleet: &Fleet, replica: usize) -> Result<i64> {
        let mut connection = PgConnection::connect(fleet.database.url()).await?;
        let count = sqlx::query_scalar(
            "select count(*) from change where kind = 'RotationStarted' and seq > $1 and actor = 'server:' || $2",
        );
        Ok(count.bind(self.seq).bind(fleet.replicas[replica].name()).fetch_one(&mut connection).await?)
    }
}

/// By the clock that everything is due by.
pub(super) async fn now(fleet: &Fleet) -> Result<DateTime<Utc>> {
    let mut connection = PgConnection::connect(fleet.database.url()).await?;
    Ok(sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut connection).await?)
}

/// What a schedule can name.
fn whole(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at)
}

fn manifest(nth: usize) -> String {
    format!(
        "apiVersion: lockstep.dev/v1\nkind: Rotation\nmetadata: {{name: {NAME}-{nth:03}}}\nspec:\n  project: shop\n  schedule: \"@yearly\"\n  \
         generate: {{source: corp, mount: {KV}, path: shop/{NAME}, keys: {{k{nth:03}: {{random: {{length: 24}}}}}}}}\n---\n"
    )
}
