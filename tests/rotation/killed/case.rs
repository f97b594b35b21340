//! One kill: a run that dies at a point, and what is there when it has come to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use lockstep_testbed::fleet::{KV, STORY_LIMIT};
use lockstep_testbed::wait;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use crate::fail_point::{FailPoint, restart};
use crate::shop::{DB, PKI, Shop};

/// What is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Generate,
    DatabaseStatic,
    DatabasePair,
    Pki,
}

/// How the run is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Done,
    RolledBack,
}

/// Who is asked for the new replica after the death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Survivor {
    /// The dead one, started again.
    Itself,
    /// The other one.
    Other,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Generate, Self::DatabaseStatic, Self::DatabasePair, Self::Pki];

    /// The manifest's word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::DatabaseStatic => "databaseStatic",
            Self::DatabasePair => "databasePair",
            Self::Pki => "pki",
        }
    }

    /// The rotation, and the binding and target of what it rotates.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Generate => "token",
            Self::DatabaseStatic => "app",
            Self::DatabasePair => "pair",
            Self::Pki => "tls",
        }
    }

    /// The rotation's manifest with this schedule and policy.
    fn manifest(self, schedule: &str, end: End) -> String {
        let what = match self {
            Self::Generate => {
                format!("generate: {{source: corp, mount: {KV}, path: shop/token, keys: {{token: {{random: {{}}}}}}}}")
            }
            Self::DatabaseStatic => format!("databaseStatic: {{source: corp, mount: {DB}, role: app}}"),
            Self::DatabasePair => {
                format!("databasePair: {{source: corp, mount: {DB}, roles: [pair_a, pair_b], minOverlap: 1s}}")
            }
            Self::Pki => format!(
                "pki: {{source: corp, mount: {PKI}, role: web, commonName: shop.example, into: {{mount: {KV}, path: shop/tls}}}}"
            ),
        };
        let policy = match end {
            End::Done => "",
            End::RolledBack => "\nconfirm: {deadline: 1s, onDeadline: RollBack}",
        };
        Shop::rotation(self.name(), &format!("{what}{policy}")).replace("0 3 1 * *", schedule)
    }

    /// Where it is in the KV engine.
    const fn path(self) -> Option<&'static str> {
        match self {
            Self::Generate => Some("shop/token"),
            Self::Pki => Some("shop/tls"),
            Self::DatabaseStatic | Self::DatabasePair => None,
        }
    }

    /// Writes the rotation, so that runs end like this.
    pub(super) async fn apply(self, shop: &Shop, end: End) -> Result<()> {
        shop.fleet.apply(&self.manifest("0 3 1 * *", end)).await
    }
}

/// What there is of a kind's secret.
struct There {
    /// In a cluster: file and text.
    delivered: BTreeMap<String, String>,
    /// The newest version in the KV engine.
    version: Option<u64>,
    runs: usize,
}

async fn there(shop: &Shop, kind: Kind) -> Result<There> {
    let version = match kind.path() {
        Some(path) => Some(shop.kv_version(path).await.unwrap_or(0)),
        None => None,
    };
    Ok(There { delivered: delivered(shop, 0, kind)?, version, runs: shop.runs(kind.name()).await?.len() })
}

fn delivered(shop: &Shop, agent: usize, kind: Kind) -> Result<BTreeMap<String, String>> {
    let files = shop.fleet.agents[agent].read(kind.name()).unwrap_or_default();
    files.into_iter().map(|(name, bytes)| Ok((name, String::from_utf8(bytes)?))).collect()
}

/// Kills a run at each of these points, one after the other, and sees what comes of it.
pub(super) async fn kill_at(shop: &mut Shop, kind: Kind, points: &[&str], end: End, survivor: Survivor) -> Result<()> {
    let before = there(shop, kind).await?;
    let (mut due_at, mut armed) = (None, None);
    for (index, point) in points.iter().enumerate() {
        let fail_point = FailPoint::arm(shop, kind.word(), point).await?;
        if index == 0 && *point == "begun" {
            due_at = Some(make_due(shop, kind).await?);
        } else if index == 0 {
            // The answer may be lost with the replica that is to give it.
            shop.fleet.cli_any(&["rotation", "run", kind.name()]).await?;
        }
        let dead = fail_point.killed(shop).await?;
        armed = Some((fail_point, dead));
    }
    let (fail_point, dead) = armed.context("no point")?;
    let dead = match survivor {
        Survivor::Itself => {
            restart(shop).await?;
            None
        }
        Survivor::Other => {
            shop.fleet.use_replica(1 - dead).await?;
            Some(dead)
        }
    };
    let run = shop.ended(kind.name(), before.runs + 1).await?;
    fail_point.others_live(shop, dead)?;
    let runs = shop.runs(kind.name()).await?.len() - before.runs;
    ensure!(runs == 1, "{runs} runs are recorded");
    let state = if end == End::Done { "Done" } else { "Failed" };
    ensure!(run["state"] == state, "{run}");
    if let Some(due_at) = due_at {
        ensure!(run["actor"] == "schedule" && run["dueAt"] == due_at.as_str(), "{run}, due at {due_at}");
    }
    match end {
        End::Done => works(shop, kind, &before).await,
        End::RolledBack => is_back(shop, kind, &before, &run).await,
    }
}

/// Has a run due within seconds, and then not before tomorrow. When.
async fn make_due(shop: &Shop, kind: Kind) -> Result<String> {
    const AHEAD_S: i32 = 3;
    let mut connection = PgConnection::connect(shop.fleet.database.url()).await?;
    let (schedule, due_at): (String, String) = sqlx::query_as(
        "select to_char(due, 'FMSS FMMI FMHH24 * * *'), to_char(due, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
         from (select (clock_timestamp() at time zone 'UTC') + make_interval(secs => $1) as due) t",
    )
    .bind(AHEAD_S)
    .fetch_one(&mut connection)
    .await?;
    shop.fleet.apply(&kind.manifest(&schedule, End::Done)).await?;
    Ok(due_at)
}

/// All clusters have something new; it works, and what was before does not.
async fn works(shop: &Shop, kind: Kind, before: &There) -> Result<()> {
    let now = delivered(shop, 0, kind)?;
    ensure!(now != before.delivered && !now.is_empty(), "nothing new was delivered");
    for agent in 1..shop.fleet.agents.len() {
        ensure!(delivered(shop, agent, kind)? == now, "clusters have not the same");
    }
    match kind {
        Kind::Generate | Kind::Pki => {
            let path = kind.path().context("a path")?;
            let versions = (before.version.map(|before| before + 1), Some(shop.kv_version(path).await?));
            ensure!(versions.0 == versions.1, "the version should be {:?} and is {:?}", versions.0, versions.1);
            ensure!(texts(&shop.fleet.bao.kv_get(KV, path).await?) == now, "clusters do not have Vault's newest");
        }
        Kind::DatabaseStatic => {
            ensure!(lets_in(shop, &now).await?, "what was delivered does not work");
            ensure!(!lets_in(shop, &before.delivered).await?, "what was before still works");
        }
        Kind::DatabasePair => {
            ensure!(now["username"] != before.delivered["username"], "it is the same user");
            ensure!(lets_in(shop, &now).await?, "what was delivered does not work");
            ensure!(!lets_in(shop, &before.delivered).await?, "what was before is not retired");
        }
    }
    Ok(())
}

/// All clusters have what was before, also the one that comes back now, and it works.
async fn is_back(shop: &mut Shop, kind: Kind, before: &There, run: &Value) -> Result<()> {
    let message = run["message"].as_str().unwrap_or_default();
    ensure!(message.starts_with("rolled back to") && message.contains("cluster-2"), "{message}");
    shop.fleet.agents[1].start()?;
    for agent in 0..shop.fleet.agents.len() {
        wait::until("what was before", STORY_LIMIT, async || {
            ensure!(delivered(shop, agent, kind)? == before.delivered, "agent {agent} has something else");
            anyhow::Ok(())
        })
        .await?;
    }
    shop.fleet.await_delivery("cluster-2", kind.name(), "InSync").await?;
    match (kind, kind.path()) {
        (Kind::DatabasePair, _) => ensure!(lets_in(shop, &before.delivered).await?, "what was before does not work"),
        (_, Some(path)) => {
            let versions = (before.version.map(|before| before + 2), Some(shop.kv_version(path).await?));
            ensure!(versions.0 == versions.1, "the version should be {:?} and is {:?}", versions.0, versions.1);
            ensure!(texts(&shop.fleet.bao.kv_get(KV, path).await?) == before.delivered, "Vault has something else");
        }
        _ => bail!("{} cannot roll back", kind.word()),
    }
    Ok(())
}

async fn lets_in(shop: &Shop, credentials: &BTreeMap<String, String>) -> Result<bool> {
    shop.database.lets_in(&credentials["username"], &credentials["password"]).await
}

/// A KV secret as it is delivered: text as it is, and JSON of anything else.
fn texts(data: &Value) -> BTreeMap<String, String> {
    let entries = data.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))).collect()
}

/// How long one took, to be printed.
pub(super) fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}
