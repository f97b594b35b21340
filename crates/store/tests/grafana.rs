//! Grafana's role reads the views that are made for it, and nothing else.

use anyhow::{Context as _, Result, ensure};
use lockstep_core::cluster::ClusterState;
use lockstep_core::delivery::Outcome;
use lockstep_core::id::{BindingId, ClusterId, SessionId};
use lockstep_core::rotation::stage::Stage;
use lockstep_core::version::{SecretState, VersionNumber};
use lockstep_store::delivery::Report;
use lockstep_store::rotation::count_by_state;
use lockstep_store::rotation_run::{enter, rest};
use lockstep_store::{secret, source};
use lockstep_testbed::checkout;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

use crate::fixture::{INTERVAL, Registry, report, secret_ref, spec};
use crate::rotations::{LIFE, begun, rotation, taken};

const PATH: &str = "payments/db";
/// Postgres' code for what a role may not do.
const REFUSED: &str = "42501";

/// A login that has the documented role, on this registry.
async fn grafana(registry: &Registry) -> Result<PgConnection> {
    let file = std::fs::read_to_string(checkout::find("deploy/postgres/grafana.sql")?)?;
    // Twice: running it again does no harm.
    for _ in 0..2 {
        sqlx::raw_sql(AssertSqlSafe(file.clone())).execute(&registry.pool).await?;
    }
    let (login, password) = (format!("grafana_{}", Uuid::new_v4().simple()), Uuid::new_v4().simple().to_string());
    registry.sql(&format!("create role {login} login password '{password}' in role lockstep_grafana")).await?;
    let options: PgConnectOptions = registry.url.parse()?;
    Ok(PgConnection::connect_with(&options.username(&login).password(&password)).await?)
}

/// The rows of a view.
async fn rows(connection: &mut PgConnection, view: &str, order: &str) -> Result<Vec<Value>> {
    let query = format!("select to_jsonb(v) from grafana.{view} v order by {order}");
    Ok(sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(connection).await?)
}

fn pick(row: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| row[*name].clone()).collect()
}

/// `eu` and `us` with binding `db` of one secret, of which both have version 1.
struct Shop {
    registry: Registry,
    binding: BindingId,
    clusters: [(ClusterId, SessionId); 2],
}

impl Shop {
    async fn new() -> Result<Self> {
        let registry = Registry::new().await?;
        registry.grant("all", "payments/**", "").await?;
        let binding = registry.bind("db", spec(&[PATH], "")?).await?.id;
        let mut clusters = Vec::new();
        for name in ["eu", "us"] {
            let cluster = registry.cluster(name, "env=prod").await?;
            registry.set_state(cluster, ClusterState::Active).await?;
            clusters.push((cluster, registry.connect(cluster).await?));
        }
        let shop = Self { registry, binding, clusters: [clusters[0], clusters[1]] };
        shop.written(1).await?;
        for cluster in ["eu", "us"] {
            shop.applied(cluster, 1).await?;
        }
        Ok(shop)
    }

    /// A new version is seen; returns when that was recorded.
    async fn written(&self, number: u64) -> Result<Value> {
        self.registry.observe(PATH, SecretState::Live, Some(number)).await?;
        let at: Value = sqlx::query_scalar("select to_jsonb(at) from change order by seq desc limit 1")
            .fetch_one(&self.registry.pool)
            .await?;
        Ok(at)
    }

    async fn applied(&self, cluster: &str, number: u64) -> Result<()> {
        let (id, session) = self.clusters[usize::from(cluster == "us")];
        let desired = self.registry.delivery(cluster, "db").await?.desired;
        let secret = secret::ensure(&mut *self.registry.connection().await?, &secret_ref(PATH)?).await?;
        let versions = vec![(secret, VersionNumber::new(number))];
        let report = Report { versions, ..report(session, id, self.binding, desired, Outcome::Applied) };
        ensure!(self.registry.report(&[report]).await? == 1, "the report was not written");
        Ok(())
    }
}

#[tokio::test]
async fn the_role_of_grafana_is_refused_every_table_and_whatever_is_not_made_for_it() -> Result<()> {
    let shop = Shop::new().await?;
    let mut grafana = grafana(&shop.registry).await?;
    let relations: Vec<(String, String)> = sqlx::query_as(
        "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where c.relkind in ('r', 'v', 'm', 'p', 'f', 'S') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')",
    )
    .fetch_all(&shop.registry.pool)
    .await?;
    let (mut shown, mut refused) = (0, 0);
    for (schema, relation) in &relations {
        let selected = grafana.execute(AssertSqlSafe(format!("select * from {schema}.\"{relation}\" limit 1"))).await;
        if schema == "grafana" {
            selected.with_context(|| format!("reading {relation}"))?;
            for write in ["insert into {} default values", "delete from {}", "truncate {}"] {
                let view = format!("grafana.\"{relation}\"");
                let error = grafana.execute(AssertSqlSafe(write.replace("{}", &view))).await.expect_err("a view is written");
                // A view that could never be written to says so.
                ensure!([REFUSED, "55000", "42809"].contains(&code(&error).as_str()), "{write} on {relation}: {error}");
            }
            shown += 1;
        } else {
            let error = selected.err().with_context(|| format!("{schema}.{relation} is shown"))?;
            ensure!(code(&error) == REFUSED, "{relation}: {error}");
            refused += 1;
        }
    }
    println!("{shown} views answer, {refused} other relations are refused");
    ensure!(shown >= 9 && refused > 25, "{relations:?}");
    for statement in
        ["create table public.mine (a int)", "create temporary table mine (a int)", "create table grafana.mine (a int)"]
    {
        let error = grafana.execute(statement).await.expect_err("a table is made");
        ensure!(code(&error) == REFUSED, "{statement}: {error}");
    }
    Ok(())
}

fn code(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(|e| e.code().map(std::borrow::Cow::into_owned)).unwrap_or_default()
}

#[tokio::test]
async fn a_view_that_a_later_version_adds_is_shown_too() -> Result<()> {
    let shop = Shop::new().await?;
    let mut grafana = grafana(&shop.registry).await?;
    shop.registry.sql("create view grafana.later as select name from project").await?;
    assert_eq!(rows(&mut grafana, "later", "name").await?, [json!({ "name": "payments" })]);
    Ok(())
}

#[tokio::test]
async fn who_is_behind_is_shown_with_both_versions_and_since_the_first_change_that_did_not_arrive() -> Result<()> {
    let shop = Shop::new().await?;
    let mut grafana = grafana(&shop.registry).await?;
    let columns = ["cluster", "status", "in_place", "wanted", "behind_since"];
    let second = shop.written(2).await?;
    shop.applied("eu", 2).await?;
    let shown: Vec<_> = rows(&mut grafana, "deliveries", "cluster").await?.iter().map(|row| pick(row, &columns)).collect();
    assert_eq!(shown, [json!(["eu", "InSync", "2", "2", null]), json!(["us", "Pending", "1", "2", second])]);

    let third = shop.written(3).await?;
    let shown: Vec<_> = rows(&mut grafana, "deliveries", "cluster").await?.iter().map(|row| pick(row, &columns)).collect();
    assert_eq!(shown, [json!(["eu", "Pending", "2", "3", third]), json!(["us", "Pending", "1", "3", second])]);

    let columns = ["secret", "cluster", "binding", "in_place", "wanted", "newest"];
    let who: Vec<_> = rows(&mut grafana, "who_has", "cluster").await?.iter().map(|row| pick(row, &columns)).collect();
    assert_eq!(who, [json!(["corp kv/payments/db", "eu", "db", 2, 3, 3]), json!(["corp kv/payments/db", "us", "db", 1, 3, 3])]);
    let secrets = rows(&mut grafana, "secrets", "secret").await?;
    assert_eq!(
        pick(&secrets[0], &["secret", "state", "newest", "bindings", "clusters"]),
        json!(["corp kv/payments/db", "Live", 3, 1, 2])
    );

    shop.registry.cluster("ap", "env=prod").await?;
    let placed: Value =
        sqlx::query_scalar("select to_jsonb(at) from change order by seq desc limit 1").fetch_one(&shop.registry.pool).await?;
    let new = rows(&mut grafana, "deliveries", "cluster").await?;
    assert_eq!(pick(&new[0], &["cluster", "in_place", "behind_since"]), json!(["ap", "-", placed]), "it never had anything");
    Ok(())
}

#[tokio::test]
async fn clusters_and_sources_are_shown_as_the_registry_has_them() -> Result<()> {
    let shop = Shop::new().await?;
    let mut grafana = grafana(&shop.registry).await?;
    let second = shop.written(2).await?;
    shop.applied("eu", 2).await?;
    let columns = ["cluster", "env", "state", "connected", "deliveries", "in_step", "not_in_step", "behind_since"];
    let clusters: Vec<_> = rows(&mut grafana, "clusters", "cluster").await?.iter().map(|row| pick(row, &columns)).collect();
    let eu = json!(["eu", "prod", "Active", true, 1, 1, 0, null]);
    assert_eq!(clusters, [eu, json!(["us", "prod", "Active", true, 1, 0, 1, second])]);

    let mut c = shop.registry.connection().await?;
    let corp = source::get(&mut c, "corp").await?.id.into();
    source::note_watch(&mut c, corp, INTERVAL, Some("sealed")).await?;
    let sources = rows(&mut grafana, "sources", "source").await?;
    assert_eq!(pick(&sources[0], &["source", "failing", "replica", "secrets", "problems"]), json!(["corp", "sealed", "-", 1, 0]));
    let changes = rows(&mut grafana, "changes", "seq desc").await?;
    assert_eq!(pick(&changes[0], &["at", "actor"]), json!([second, "test"]), "the newest change is version 2's");
    Ok(())
}

#[tokio::test]
async fn rotations_are_shown_in_the_state_that_they_are_counted_in_with_the_cause() -> Result<()> {
    let registry = Registry::new().await?;
    let mut grafana = grafana(&registry).await?;
    for name in ["failed", "held", "overdue", "running", "suspended", "waiting"] {
        let id = rotation(&registry, name).await?;
        if !["failed", "held", "running"].contains(&name) {
            continue;
        }
        begun(&registry, id, 1).await?.context("a run")?;
        let hold = taken(&registry, "a").await?.context("it was begun")?;
        let mut c = registry.connection().await?;
        match name {
            "failed" => enter(&mut c, &hold, &Stage::Failed("no login".to_owned())).await?,
            "held" => rest(&mut c, &hold, LIFE, Some("us has not confirmed"), None).await?,
            _ => {}
        }
    }
    registry.sql("update rotation set due_at = now() - interval '1 hour', waits_for = 'a window' where name = 'overdue'").await?;
    registry.sql("update rotation set spec = jsonb_set(spec, '{suspend}', 'true') where name = 'suspended'").await?;
    let columns = ["rotation", "kind", "secret", "state", "stage", "cause", "last_result"];
    let shown: Vec<_> = rows(&mut grafana, "rotations", "rotation").await?.iter().map(|row| pick(row, &columns)).collect();
    let expected = [
        json!(["failed", "databaseStatic", "corp kv/payments/failed", "Failed", null, "no login", "Failed"]),
        json!(["held", "databaseStatic", "corp kv/payments/held", "Held", "Preparing", "us has not confirmed", null]),
        json!(["overdue", "databaseStatic", "corp kv/payments/overdue", "Overdue", null, "a window", null]),
        json!(["running", "databaseStatic", "corp kv/payments/running", "Running", "Preparing", null, null]),
        json!(["suspended", "databaseStatic", "corp kv/payments/suspended", "Suspended", null, null, null]),
        json!(["waiting", "databaseStatic", "corp kv/payments/waiting", "Waiting", null, null, null]),
    ];
    assert_eq!(shown, expected);
    let mut counted: Vec<(String, u64)> = count_by_state(&mut *registry.connection().await?).await?;
    counted.retain(|(_, count)| *count > 0);
    let states: Vec<String> = shown.iter().map(|row| row[3].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(counted.into_iter().map(|(state, _)| state).collect::<Vec<_>>(), states, "one of each, by the server's own count");
    Ok(())
}
