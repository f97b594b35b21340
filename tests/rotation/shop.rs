//! A shop with a database whose users are rotated, and what its rotations need.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use lockstep_testbed::{Database, Fleet, wait};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::client::Credential;

/// Mounts of a database engine and of a PKI engine.
pub(crate) const DB: &str = "database";
pub(crate) const PKI: &str = "web-pki";
const YEAR: Duration = Duration::from_hours(24 * 365);
/// The rights by which the server's token rotates, beside those by which it reads.
const POLICY: &str = r#"
path "kv/data/shop/*" { capabilities = ["create", "read", "update"] }
path "database/static-roles/*" { capabilities = ["read"] }
path "database/static-creds/*" { capabilities = ["read"] }
path "database/rotate-role/*" { capabilities = ["update"] }
path "database/config/*" { capabilities = ["read"] }
path "sys/policies/password/*" { capabilities = ["read"] }
path "web-pki/issue/web" { capabilities = ["update"] }
path "web-pki/roles/web" { capabilities = ["read"] }
path "web-pki/revoke" { capabilities = ["update"] }
"#;

/// A fleet whose source may be rotated.
pub(crate) struct Shop {
    /// The fleet.
    pub(crate) fleet: Fleet,
    /// The database whose users `app`, `pair_a` and `pair_b` are static roles.
    pub(crate) database: Database,
}

impl Shop {
    /// Starts it, with so many clusters, and bindings of everything that is rotated: `token` (KV), `app`, `pair`, `tls` (KV).
    pub(crate) async fn start(settings: Settings) -> Result<Self> {
        let fleet = Fleet::start(settings).await?;
        let shop = Self { database: fleet.postgres.create_database().await?, fleet };
        let Self { fleet, database } = &shop;
        let bao = &fleet.bao;
        cheap_logins(database).await;
        bao.extend_policy("lockstep", POLICY).await?;
        bao.enable_database(DB, database).await?;
        for role in ["app", "pair_a", "pair_b"] {
            bao.static_role(DB, role, database, YEAR).await?;
        }
        bao.enable_pki(PKI).await?;
        let role =
            json!({"allow_any_name": true, "enforce_hostnames": false, "key_type": "ec", "key_bits": 256, "max_ttl": "720h"});
        bao.request("POST", &format!("{PKI}/roles/web"), Some(role)).await?;
        bao.kv_put(KV, "shop/token", &json!({"token": "first", "other": "kept", "count": 7})).await?;
        fleet.apply(&[fleet.basics(), grant(), bindings()].join("---\n")).await?;
        shop.in_step().await?;
        Ok(shop)
    }

    /// A rotation's manifest with this in its spec, that runs when it is asked to.
    pub(crate) fn rotation(name: &str, spec: &str) -> String {
        format!(
            "apiVersion: lockstep.dev/v1\nkind: Rotation\nmetadata: {{name: {name}}}\nspec:\n  project: shop\n  \
             schedule: \"0 3 1 * *\"\n{}\n---\n",
            spec.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
        )
    }

    /// Begins a run and waits for its end.
    pub(crate) async fn run(&self, name: &str) -> Result<Value> {
        self.begin(name).await?;
        self.ended(name, 1).await
    }

    /// Begins a run.
    pub(crate) async fn begin(&self, name: &str) -> Result<()> {
        self.fleet.cli(&["rotation", "run", name]).await.map(drop)
    }

    /// The newest run.
    pub(crate) async fn newest(&self, name: &str) -> Result<Value> {
        self.runs(name).await?.into_iter().next().context("no run")
    }

    /// Waits until no run is under way, and at least `count` are there. The newest.
    pub(crate) async fn ended(&self, name: &str, count: usize) -> Result<Value> {
        self.at_rest(name, count).await?;
        let newest = self.newest(name).await?;
        ensure!(newest["endedAt"].is_string(), "{newest}");
        Ok(newest)
    }

    /// The same, asked of the registry: a command for each look would take the time of those who work.
    async fn at_rest(&self, name: &str, count: usize) -> Result<()> {
        let mut registry = PgConnection::connect(self.fleet.database.url()).await?;
        wait::until(&format!("rotation {name} to have no run under way"), STORY_LIMIT * 3, async || {
            let (all, open): (i64, i64) = sqlx::query_as(
                "select count(*), count(*) filter (where u.ended_at is null) \
                 from rotation_run u join rotation r on r.id = u.rotation_id where r.name = $1",
            )
            .bind(name)
            .fetch_one(&mut registry)
            .await?;
            ensure!(usize::try_from(all)? >= count && open == 0, "{open} of {all} are under way");
            anyhow::Ok(())
        })
        .await
    }

    /// Its runs, the newest first.
    pub(crate) async fn runs(&self, name: &str) -> Result<Vec<Value>> {
        let list = self.fleet.cli(&["rotation", "history", name, "--limit", "500", "-o", "json"]).await?.json()?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// User and password as a cluster has them in this target.
    pub(crate) fn credentials(&self, cluster: &str, target: &str) -> Result<Option<(String, String)>> {
        let file = |key| self.fleet.file(cluster, target, key);
        Ok(file("username")?.zip(file("password")?))
    }

    /// The same, which have to be there.
    pub(crate) fn credential(&self, cluster: &str, target: &str) -> Result<Credential> {
        let (user, password) = self.credentials(cluster, target)?.with_context(|| format!("{cluster} has no {target}"))?;
        Ok(Credential { user, password })
    }

    /// The revision that a cluster confirmed of a binding: epoch and seq.
    pub(crate) async fn revision(&self, cluster: &str, binding: &str) -> Result<(u64, u64)> {
        let deliveries = self.fleet.deliveries().await?;
        let found = deliveries.iter().find(|d| d["cluster"] == cluster && d["binding"] == binding);
        let revision = found.and_then(|d| d["appliedRevision"].as_str()?.split_once('.')).context("no revision")?;
        Ok((revision.0.parse()?, revision.1.parse()?))
    }

    /// Waits until every cluster has what it should, of all that was ever made.
    pub(crate) async fn in_step(&self) -> Result<()> {
        let clusters = self.fleet.agents.len();
        // `tls` has nothing before its first run.
        wait::until("what is there to be everywhere", STORY_LIMIT, async || {
            let deliveries = self.fleet.deliveries().await?;
            let there = deliveries.iter().filter(|d| d["status"] == "InSync").count();
            ensure!(there == 3 * clusters, "{there} of {deliveries:?}");
            anyhow::Ok(())
        })
        .await
    }

    /// The changes of this kind, the newest first.
    pub(crate) async fn changes(&self, kind: &str) -> Result<Vec<Value>> {
        let list = self.fleet.cli(&["get", "changes", "-o", "json"]).await?.json()?;
        Ok(list["items"].as_array().into_iter().flatten().filter(|change| change["kind"] == kind).cloned().collect())
    }

    /// What all replicas together count.
    pub(crate) async fn count(&self, series: &str) -> Result<usize> {
        let mut sum = 0;
        for replica in &self.fleet.replicas {
            let count = replica.metric(series).await?.unwrap_or_default();
            sum += count.to_string().parse::<usize>().with_context(|| format!("{series} is {count}"))?;
        }
        Ok(sum)
    }

    /// The version number of the newest version in Vault.
    pub(crate) async fn kv_version(&self, path: &str) -> Result<u64> {
        let answer = self.fleet.bao.request("GET", &format!("{KV}/metadata/{path}"), None).await?;
        answer["data"]["current_version"].as_u64().context("no current version")
    }
}

/// Has a login take no time: what it costs by design is many times more without optimisation, and clients here log in all the time. Postgres 15
/// has no such setting; there logins are only slower.
async fn cheap_logins(database: &Database) {
    let cheaper = format!("ALTER DATABASE {} SET scram_iterations = 32", database.name());
    if let Ok(mut connection) = PgConnection::connect(database.url()).await {
        let _ = connection.execute(AssertSqlSafe(cheaper)).await;
    }
}

fn grant() -> String {
    format!(
        "apiVersion: lockstep.dev/v1\nkind: Grant\nmetadata: {{name: shop-database}}\nspec:\n  project: shop\n  \
         paths: [{{source: corp, mount: {DB}, globs: [\"*\"]}}]\n  clusters: {{matchLabels: {{env: prod}}}}\n  namespaces: []\n"
    )
}

fn bindings() -> String {
    let database = |name: &str, item: &str| {
        Fleet::binding(name).replace(&format!("mount: {KV}, path: shop/{name}"), &format!("mount: {DB}, {item}"))
    };
    [
        Fleet::binding("token"),
        database("app", "staticRole: app"),
        database("pair", "rolePair: [pair_a, pair_b]"),
        Fleet::binding("tls"),
    ]
    .concat()
}
