//! A registry of an older version keeps all it has, and replicas of that version go on beside newer ones.

use anyhow::{Context as _, Result};
use lockstep_core::delivery::DeliveryStatus;
use lockstep_core::version::SecretState;
use lockstep_store::delivery::{Filter, list};
use lockstep_store::page::Page;
use lockstep_store::{cluster, pool};
use lockstep_testbed::Postgres;
use sqlx::migrate::Migrator;
use sqlx::types::Json;

use crate::fixture::{Registry, spec};

/// The last migration of the version before.
const BEFORE: i64 = 2;

/// What the version before left: binding `db` of one secret, confirmed in cluster `eu`.
const LEFT: &str = "
    insert into project (name, seq) values ('payments', 1);
    insert into source (name, spec, seq) values ('corp', '{}', 1);
    insert into cluster (name, labels, state, seq) values ('eu', '{\"env\": \"prod\"}', 'Active', 1);
    insert into secret (source_id, mount, path, state, chosen_incarnation, chosen_number, chosen_created, chosen_seq)
        select id, 'kv', 'payments/db', 'Live', now(), 3, now(), 2 from source;
    insert into binding_item select b.id, 0, s.id, null from binding b, secret s;
    insert into placement select b.id, c.id, 'Placed', '{\"placement\": \"Placed\"}', 3 from binding b, cluster c;
    update registry set seq = 3;
    insert into delivery (binding_id, cluster_id, epoch, seq, outcome, at, applied_epoch, applied_seq, applied_key, applied_digest,
            applied_at, targets_applied, targets_total)
        select binding_id, cluster_id, 1, 3, 'Applied', now(), 1, 3, 'root-1', decode(repeat('01', 32), 'hex'), now(), 1, 1
        from placement;
";

/// What a replica of the version before writes when an agent confirms something newer.
const STILL_WRITTEN: &str = "
    insert into delivery as d (binding_id, cluster_id, epoch, seq, outcome, cause, at, applied_epoch, applied_seq, applied_key,
            applied_digest, applied_at, targets_applied, targets_total)
        select binding_id, cluster_id, 1, 4, 'Applied', null, now(), 1, 4, 'root-1', '\\x02', now(), 2, 2 from placement
        on conflict (binding_id, cluster_id) do update set seq = excluded.seq, applied_seq = excluded.applied_seq,
            targets_applied = excluded.targets_applied, targets_total = excluded.targets_total";

#[tokio::test]
async fn what_the_version_before_left_is_kept_and_it_may_go_on_writing() -> Result<()> {
    let database = Postgres::shared().await?.create_database().await?;
    let connections = pool::connect(database.url(), 4).await?;
    let all = sqlx::migrate!("../../migrations");
    Migrator::with_migrations(all.iter().filter(|m| m.version <= BEFORE).cloned().collect()).run(&connections).await?;
    let project: uuid::Uuid =
        sqlx::query_scalar("insert into project (name, seq) values ('other', 1) returning id").fetch_one(&connections).await?;
    sqlx::query("insert into binding (name, project_id, spec, spec_seq, seq) values ('db', $1, $2, 1, 1)")
        .bind(project)
        .bind(Json(spec(&["payments/db"], "env=prod")?))
        .execute(&connections)
        .await?;
    sqlx::raw_sql(LEFT).execute(&connections).await?;

    pool::migrate(database.url()).await?;
    let registry = Registry { pool: connections, url: database.url().to_owned() };
    let mut c = registry.connection().await?;
    let (listed, _) = list(&mut c, Filter::default(), &Page::default()).await?;
    let delivery = listed.first().context("the delivery")?;
    assert_eq!((delivery.status, delivery.targets, delivery.drifted), (DeliveryStatus::InSync, (1, 1), (0, None)));
    // In step: so the cluster has what is chosen, though nobody wrote that down.
    assert_eq!(delivery.versions.iter().map(|v| (v.applied, v.desired)).collect::<Vec<_>>(), [(Some(3), Some(3))]);
    assert_eq!(cluster::get(&mut c, "eu").await?.spec.deletions_held, 0);

    registry.observe("payments/db", SecretState::Live, Some(4)).await?;
    let behind = registry.delivery("eu", "db").await?;
    assert_eq!(behind.versions.iter().map(|v| (v.applied, v.desired)).collect::<Vec<_>>(), [(None, Some(4))]);
    registry.sql(STILL_WRITTEN).await?;
    let confirmed = registry.delivery("eu", "db").await?;
    assert_eq!((confirmed.status, confirmed.targets), (DeliveryStatus::InSync, (2, 2)));
    assert_eq!(confirmed.versions.first().map(|v| v.applied), Some(Some(4)));
    Ok(())
}
