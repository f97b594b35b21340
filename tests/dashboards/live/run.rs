//! The run: two replicas, two clusters with a Kubernetes API each, bindings of which one works, one is refused and one has nothing, a rotation.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{KV, NAMESPACE, STORY_LIMIT, Settings, Sink};
use lockstep_testbed::prometheus::Target;
use lockstep_testbed::{Fleet, Prometheus, checkout, wait};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::rules;

/// What the registry tells is told every 10 s, and what is counted needs two scrapes.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);
/// By which the server's token rotates.
const POLICY: &str = r#"path "kv/data/shop/*" { capabilities = ["create", "read", "update"] }"#;

pub(crate) struct Run {
    pub(crate) prometheus: Prometheus,
    /// As Grafana's role.
    pub(crate) registry: PgConnection,
    pub(crate) fleet: Fleet,
}

impl Run {
    pub(crate) async fn start() -> Result<Self> {
        // A budget so small that the watcher waits for it.
        let settings = Settings { clusters: 2, requests_per_second: 3, sink: Sink::Secret, ..Settings::default() };
        let fleet = Fleet::start(settings).await?;
        let registry = grafana(&fleet).await?;
        let prometheus = prometheus(&fleet).await?;
        let run = Self { prometheus, registry, fleet };
        run.deliver().await?;
        run.rotate().await?;
        run.drift().await?;
        Ok(run)
    }

    /// `db` comes in step; `taken` is another tool's object in cluster-1; `nothing` is bound to a path that has none.
    async fn deliver(&self) -> Result<()> {
        let fleet = &self.fleet;
        let object = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "taken" }, "stringData": { "password": "theirs" },
        });
        let path = format!("/api/v1/namespaces/{NAMESPACE}/secrets/taken?fieldManager=other&force=true");
        fleet.agents[0].kubernetes()?.request("PATCH", &path, Some(object)).await?;
        for name in ["db", "taken", "token"] {
            fleet.bao.kv_put(KV, &format!("shop/{name}"), &json!({ "password": "one", "token": "one" })).await?;
        }
        let bindings: String = ["db", "taken", "token", "nothing"].iter().map(|name| Fleet::binding_to_secret(name)).collect();
        fleet.apply(&format!("{}---\n{bindings}", fleet.basics())).await?;
        for (cluster, binding, status) in [
            ("cluster-1", "db", "InSync"),
            ("cluster-2", "db", "InSync"),
            ("cluster-1", "taken", "Conflict"),
            ("cluster-2", "taken", "InSync"),
            ("cluster-2", "nothing", "Failed"),
        ] {
            fleet.await_delivery(cluster, binding, status).await?;
        }
        Ok(())
    }

    /// A rotation has a run that is done.
    async fn rotate(&self) -> Result<()> {
        self.fleet.bao.extend_policy("lockstep", POLICY).await?;
        let manifest = format!(
            "apiVersion: lockstep.dev/v1\nkind: Rotation\nmetadata: {{name: token}}\nspec:\n  project: shop\n  schedule: \"0 3 1 * *\"\n  \
             generate: {{source: corp, mount: {KV}, path: shop/token, keys: {{token: {{random: {{length: 40}}}}}}}}\n"
        );
        self.fleet.apply(&manifest).await?;
        self.fleet.cli(&["rotation", "run", "token"]).await?;
        wait::until("the run to be done", STORY_LIMIT * 3, async || {
            let list = self.fleet.cli(&["rotation", "history", "token", "-o", "json"]).await?.json()?;
            ensure!(list["items"][0]["state"] == "Done", "{list}");
            anyhow::Ok(())
        })
        .await
    }

    /// Somebody changes a Secret in a cluster, and the agent puts it right.
    async fn drift(&self) -> Result<()> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/secrets/db");
        let edited = json!({ "stringData": { "password": "wrong" } });
        self.fleet.agents[0].kubernetes()?.request("PATCH", &path, Some(edited)).await?;
        wait::until("the drift to be counted", STORY_LIMIT, async || {
            let metrics = self.fleet.agents[0].metrics().await?;
            metrics.lines().any(|line| line == "lockstep_agent_drift_total 1").then_some(()).context("it is not")
        })
        .await
    }

    /// Writes another version of `db`; its number.
    pub(crate) async fn write(&self) -> Result<u64> {
        self.fleet.bao.kv_put(KV, "shop/db", &json!({ "password": uuid::Uuid::new_v4().to_string() })).await
    }

    /// The same, and waits until both clusters have it.
    pub(crate) async fn write_and_await(&mut self) -> Result<u64> {
        let number = self.write().await?;
        let shown = number.to_string();
        wait::until("both clusters to have what was written", STORY_LIMIT, async || {
            let sql = "select cluster, in_place from grafana.deliveries where binding = 'db'";
            let rows = self.rows(sql).await?;
            let have = rows.iter().filter(|row| row["in_place"] == shown).count();
            ensure!(have == 2, "{rows:?}");
            anyhow::Ok(())
        })
        .await?;
        Ok(number)
    }

    /// Whether an expression has a number now.
    pub(crate) async fn data(&self, expression: &str) -> Result<bool> {
        let samples = self.prometheus.query(expression).await?;
        Ok(samples.iter().any(|sample| sample["value"][1].as_str().is_some_and(|number| number != "NaN")))
    }

    /// The rows of a query, run as Grafana's role.
    pub(crate) async fn rows(&mut self, sql: &str) -> Result<Vec<Value>> {
        let rows = format!("select to_jsonb(q) from ({sql}) q");
        Ok(sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut self.registry).await?)
    }
}

/// Makes Grafana's role as docs/dashboards.md says, and logs in with it.
async fn grafana(fleet: &Fleet) -> Result<PgConnection> {
    let mut owner = PgConnection::connect(fleet.database.url()).await?;
    let file = std::fs::read_to_string(checkout::find("deploy/postgres/grafana.sql")?)?;
    sqlx::raw_sql(AssertSqlSafe(file)).execute(&mut owner).await?;
    let password = uuid::Uuid::new_v4().simple();
    let login = format!("create role grafana login password '{password}' connection limit 10 in role lockstep_grafana");
    sqlx::raw_sql(AssertSqlSafe(login)).execute(&mut owner).await?;
    let options: PgConnectOptions = fleet.database.url().parse()?;
    Ok(PgConnection::connect_with(&options.username("grafana").password(&password.to_string())).await?)
}

/// With the rules, of which each fires as soon as it may.
async fn prometheus(fleet: &Fleet) -> Result<Prometheus> {
    let rules = std::fs::read_to_string(rules::file()?)?;
    let at_once = rules.lines().map(|line| if line.trim_start().starts_with("for: ") { "        for: 1s" } else { line });
    let file = fleet.folder().join("lockstep.rules.yaml");
    std::fs::write(&file, at_once.collect::<Vec<_>>().join("\n"))?;
    let servers = fleet.replicas.iter().map(|replica| Target {
        job: "lockstep-server",
        address: replica.metrics_address(),
        labels: Vec::new(),
    });
    let agents = fleet.agents.iter().map(|agent| Target {
        job: "lockstep-agent",
        address: agent.metrics_address(),
        labels: vec![("cluster", agent.name().to_owned())],
    });
    let targets: Vec<Target> = servers.chain(agents).collect();
    Prometheus::start(&targets, &[Path::new(&file)]).await
}
