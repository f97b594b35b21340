//! When runs begin: windows and freezes, pauses, due times that were missed, and how many run at once.

mod missed;
mod windows;

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, wait};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

/// Every two seconds.
const OFTEN: &str = "*/2 * * * * *";

/// One replica and one cluster, and rotations of one secret's keys.
struct Timed {
    fleet: Fleet,
}

/// One run, as `lockstep rotation history` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    due: DateTime<Utc>,
    started: DateTime<Utc>,
    ended: Option<DateTime<Utc>>,
    state: String,
    scheduled: bool,
}

impl Timed {
    async fn start() -> Result<Self> {
        let fleet = Fleet::start(Settings { replicas: 1, clusters: 1, lease_ms: 3_000, ..Settings::default() }).await?;
        let rights = "path \"kv/data/shop/*\" { capabilities = [\"create\", \"read\", \"update\"] }";
        fleet.bao.extend_policy("lockstep", rights).await?;
        fleet.bao.kv_put(KV, "shop/token", &json!({"other": "kept"})).await?;
        fleet.apply(&[fleet.basics(), Fleet::binding("token")].join("---\n")).await?;
        fleet.await_delivery("cluster-1", "token", "InSync").await?;
        Ok(Self { fleet })
    }

    /// Writes a rotation of the key of its own name, with more fields of its spec.
    async fn rotate(&self, name: &str, schedule: &str, more: &[&str]) -> Result<()> {
        let more = more.iter().fold(String::new(), |more, line| more + "  " + line + "\n");
        let manifest = format!(
            "apiVersion: lockstep.dev/v1\nkind: Rotation\nmetadata: {{name: {name}}}\nspec:\n  project: shop\n  schedule: \"{schedule}\"\n{more}  \
             generate: {{source: corp, mount: {KV}, path: shop/token, keys: {{{name}: {{random: {{length: 24}}}}}}}}\n---\n"
        );
        self.fleet.apply(&manifest).await
    }

    /// Writes a window of the project, with `allow` or `freeze`.
    async fn window(&self, name: &str, rule: &str) -> Result<()> {
        let manifest = format!(
            "apiVersion: lockstep.dev/v1\nkind: MaintenanceWindow\nmetadata: {{name: {name}}}\nspec: {{project: shop, {rule}}}\n"
        );
        self.fleet.apply(&manifest).await
    }

    /// By Postgres' clock.
    async fn now(&self) -> Result<DateTime<Utc>> {
        let mut connection = PgConnection::connect(self.fleet.database.url()).await?;
        Ok(sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut connection).await?)
    }

    /// Waits until it is later than that.
    async fn passes(&self, at: DateTime<Utc>) -> Result<()> {
        wait::until(&format!("{at} to pass"), STORY_LIMIT, async || {
            let now = self.now().await?;
            ensure!(now > at, "it is {now}");
            anyhow::Ok(())
        })
        .await
    }

    async fn status(&self, name: &str) -> Result<Value> {
        Ok(self.fleet.cli(&["get", "rotation", name, "-o", "json"]).await?.json()?["status"].take())
    }

    /// Waits until a rotation says that it waits for this.
    async fn waits_for(&self, name: &str, what: &str) -> Result<String> {
        wait::until(&format!("{name} to wait for {what}"), STORY_LIMIT, async || {
            let status = self.status(name).await?;
            let why = status["waitsFor"].as_str().filter(|why| why.contains(what)).map(str::to_owned);
            why.with_context(|| status.to_string())
        })
        .await
    }

    /// The runs, the oldest first.
    async fn runs(&self, name: &str) -> Result<Vec<Run>> {
        let list = self.fleet.cli(&["rotation", "history", name, "--limit", "500", "-o", "json"]).await?.json()?;
        let runs = list["items"].as_array().context("no list")?.iter().rev();
        runs.map(|run| {
            let time = |key: &str| run[key].as_str().map(str::parse::<DateTime<Utc>>).transpose();
            Ok(Run {
                due: time("dueAt")?.context("no due time")?,
                started: time("startedAt")?.context("no start")?,
                ended: time("endedAt")?,
                state: run["state"].as_str().unwrap_or_default().to_owned(),
                scheduled: run["actor"] == "schedule",
            })
        })
        .collect()
    }

    /// Waits for a run that `wanted` wants and that is done.
    async fn done(&self, name: &str, what: &str, wanted: impl Fn(&Run) -> bool) -> Result<Run> {
        wait::until(&format!("{name} to be done {what}"), STORY_LIMIT, async || {
            let runs = self.runs(name).await?;
            let found = runs.iter().find(|run| run.state == "Done" && wanted(run)).cloned();
            found.with_context(|| format!("{runs:?}"))
        })
        .await
    }

    /// Begins a run as a person does, whatever the schedule is about at this moment.
    async fn run_now(&self, name: &str) -> Result<Run> {
        let asked = self.now().await?;
        wait::until(&format!("{name} to be run now"), STORY_LIMIT, async || self.fleet.cli(&["rotation", "run", name]).await)
            .await?;
        self.done(name, "because somebody said so", |run| !run.scheduled && run.due >= asked).await
    }
}

/// A schedule that names this second and no other of the year.
fn at(time: DateTime<Utc>) -> String {
    time.format("%-S %-M %-H %-d %-m *").to_string()
}

/// The whole second that is so many after this one.
fn later(time: DateTime<Utc>, seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(time.timestamp() + seconds, 0).unwrap_or(time)
}

const fn seconds(count: i64) -> TimeDelta {
    TimeDelta::seconds(count)
}
