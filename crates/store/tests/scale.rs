//! What a commit costs does not grow with the number of placements.

use std::time::{Duration, Instant};

use anyhow::Result;
use lockstep_core::delivery::Outcome;
use lockstep_core::history::Mark;
use lockstep_core::id::ClusterId;
use lockstep_core::version::SecretState;
use lockstep_store::delivery::{self, Filter, Report};
use lockstep_store::desired::{Which, read};
use lockstep_store::page::Page;
use lockstep_store::pool::{self, Prompt};
use lockstep_store::{PgConnection, placement};
use sqlx::Connection as _;
use sqlx::types::Json;
use uuid::Uuid;

use crate::fixture::{Registry, report, spec};

const CLUSTERS: i32 = 200;
const BINDINGS: i32 = 500;
/// What dispatch may take on a quiet machine to find what a commit changed.
const PROMISED: Duration = Duration::from_millis(200);

/// As the planner and the reports would have left it: every binding of one secret in every cluster, all in step.
async fn filled() -> Result<(Registry, Vec<ClusterId>)> {
    let registry = Registry::new().await?;
    registry.grant("all", "payments/**", "").await?;
    sqlx::query(
        "insert into cluster (name, labels, seq) select 'c' || i, '{\"env\": \"prod\"}', 1 from generate_series(1, $1) i",
    )
    .bind(CLUSTERS)
    .execute(&registry.pool)
    .await?;
    sqlx::query(
        "insert into secret (source_id, mount, path, state, chosen_incarnation, chosen_number, chosen_created, chosen_seq) \
         select id, 'kv', 'payments/s' || i, 'Live', now(), 1, now(), 2 from source, generate_series(1, $1) i",
    )
    .bind(BINDINGS)
    .execute(&registry.pool)
    .await?;
    sqlx::query(
        "insert into binding (name, project_id, spec, spec_seq, seq) \
         select 'b' || i, p.id, jsonb_set($2, '{delivered,items,0,secret,path}', to_jsonb('payments/s' || i)), 2, 2 \
         from project p, generate_series(1, $1) i",
    )
    .bind(BINDINGS)
    .bind(Json(spec(&["payments/x"], "env=prod")?))
    .execute(&registry.pool)
    .await?;
    registry
        .sql("insert into binding_item select b.id, 0, s.id, null from binding b join secret s on s.path = 'payments/s' || substr(b.name, 2)")
        .await?;
    registry.change(async |c, seq| Ok(placement::replan_all(c, None, seq).await?)).await?;
    registry
        .sql(
            "insert into delivery (binding_id, cluster_id, epoch, seq, outcome, at, applied_epoch, applied_seq, applied_digest) \
             select binding_id, cluster_id, epoch, seq, 'Applied', now(), epoch, seq, '\\x01' from desired",
        )
        .await?;
    registry.sql("analyze").await?;
    let ids: Vec<Uuid> = sqlx::query_scalar("select id from cluster").fetch_all(&registry.pool).await?;
    Ok((registry, ids.into_iter().map(Into::into).collect()))
}

#[tokio::test]
async fn what_changed_is_found_without_a_look_at_what_did_not() -> Result<()> {
    let (registry, clusters) = filled().await?;
    let mut c = registry.connection().await?;
    let before = lockstep_store::registry::get(&mut c).await?.head.seq;
    registry.observe("payments/s7", SecretState::Live, Some(2)).await?;

    let finding = pool::connect_prompt(&registry.url, Prompt::Dispatch).await?;
    let mut finding = pool::acquire(&finding).await?;
    let began = Instant::now();
    let changed = read(&mut finding, &clusters, Which::ChangedSince(before), &Mark::ORIGIN).await?;
    let took = began.elapsed();
    assert_eq!(changed.facts.len(), clusters.len());
    println!("of {} placements, {} that changed in {took:?}", CLUSTERS * BINDINGS, changed.facts.len());
    assert!(took < 10 * PROMISED, "{took:?}");

    let mut sent = Vec::new();
    for facts in &changed.facts {
        let session = registry.connect(facts.cluster).await?;
        sent.push(report(session, facts.cluster, facts.binding.id, facts.desired.revision, Outcome::Sent));
    }
    let reporting = pool::connect_prompt(&registry.url, Prompt::Reports).await?;
    let mut reporting = pool::acquire(&reporting).await?;
    let began = Instant::now();
    let written = delivery::write(&mut reporting, &sent).await?;
    assert_eq!((written.placements, written.leave), (sent.len() as u64, vec![true; sent.len()]));
    println!("leave for {}: {:?}", sent.len(), began.elapsed());
    let failed: Vec<Report> = sent.into_iter().map(|sent| Report { outcome: Outcome::Failed, ..sent }).collect();
    let began = Instant::now();
    assert_eq!(delivery::write(&mut reporting, &failed).await?.placements, failed.len() as u64);
    println!("a batch of {} reports: {:?}", failed.len(), began.elapsed());
    let began = Instant::now();
    assert_eq!(read(&mut c, &clusters, Which::NotInStep, &Mark::ORIGIN).await?.facts.len(), clusters.len());
    println!("a sweep: {:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(read(&mut c, &clusters[..1], Which::All, &Mark::ORIGIN).await?.facts.len(), usize::try_from(BINDINGS)?);
    println!("one cluster that connects: {:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(delivery::by_cluster(&mut c).await?.len(), 2 * clusters.len());
    println!("counts for the metrics: {:?}", began.elapsed());
    let began = Instant::now();
    let (page, next) = delivery::list(&mut c, Filter::default(), &Page::default()).await?;
    println!("the first page: {:?}", began.elapsed());
    assert_eq!((page.len(), next.is_some()), (500, true));
    let began = Instant::now();
    registry.cluster("c7", "env=dev").await?;
    println!("a cluster's label moves {BINDINGS} placements: {:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(registry.change(async |c, seq| Ok(placement::replan_all(c, None, seq).await?)).await?, 0);
    println!("planning everything anew: {:?}", began.elapsed());
    Ok(())
}

/// How often tables that grow with the placements were read from one end to the other in this transaction.
async fn read_whole(c: &mut PgConnection) -> Result<i64> {
    let count = "select sum(seq_scan)::bigint from pg_stat_xact_user_tables where relname in ('placement', 'delivery')";
    Ok(sqlx::query_scalar(count).fetch_one(c).await?)
}

#[tokio::test]
async fn who_has_a_secret_is_found_without_a_look_at_who_has_others() -> Result<()> {
    let (registry, clusters) = filled().await?;
    registry
        .sql(
            "update delivery l set applied_versions = array[1], \
                 applied_secrets = (select array[i.secret_id] from binding_item i where i.binding_id = l.binding_id)",
        )
        .await?;
    registry.sql("analyze").await?;
    let secret: Uuid = sqlx::query_scalar("select id from secret where path = 'payments/s7'").fetch_one(&registry.pool).await?;
    let mut c = registry.connection().await?;
    for (has_index, whole) in [(true, false), (false, true)] {
        if !has_index {
            registry.sql("drop index delivery_applied_secrets").await?;
        }
        let mut asking = c.begin().await?;
        // Whether there is another way. With so few placements it costs about as much as reading them all, and the planner takes either.
        sqlx::query("set local enable_seqscan = off").execute(&mut *asking).await?;
        let began = Instant::now();
        let (holders, _) = delivery::holders(&mut asking, secret.into(), Some(1), &Page::default()).await?;
        println!("who has a secret, with its index: {has_index}: {:?}", began.elapsed());
        assert_eq!(holders.len(), clusters.len());
        assert_eq!(read_whole(&mut asking).await? > 0, whole, "with its index: {has_index}");
        asking.rollback().await?;
    }
    Ok(())
}

/// One binding that differs by cluster, in this many.
const EACH: usize = 2_000;

#[tokio::test]
async fn what_differs_by_cluster_costs_a_row_a_cluster_and_its_changes_one() -> Result<()> {
    let registry = Registry::new().await?;
    registry.grant("all", "payments/**", "").await?;
    sqlx::query(
        "insert into cluster (name, labels, seq) select 'c' || i, '{\"env\": \"prod\"}', 1 from generate_series(1, $1) i",
    )
    .bind(i32::try_from(EACH)?)
    .execute(&registry.pool)
    .await?;
    let timed = |what: &str, began: Instant| {
        let took = began.elapsed();
        println!("{what}: {took:?}");
        assert!(took < 20 * PROMISED, "{what}: {took:?}");
    };
    for (name, paths) in [("all", ["payments/one", "payments/two"]), ("each", ["payments/{cluster}/db", "payments/one"])] {
        let began = Instant::now();
        registry.bind(name, spec(&paths, "env=prod")?).await?;
        timed(&format!("binding {name} is written"), began);
    }
    registry.unbind("all").await?;
    registry.sql("delete from placement where answer = 'Removed'").await?;
    registry
        .sql("update secret set state = 'Live', chosen_incarnation = now(), chosen_number = 1, chosen_created = now(), chosen_seq = 2")
        .await?;
    registry.sql("analyze").await?;
    let ids: Vec<Uuid> = sqlx::query_scalar("select id from cluster").fetch_all(&registry.pool).await?;
    let clusters: Vec<ClusterId> = ids.into_iter().map(Into::into).collect();

    let mut c = registry.connection().await?;
    let before = lockstep_store::registry::get(&mut c).await?.head.seq;
    registry
        .change(async |c, seq| {
            let moved = "update secret set chosen_number = 2, chosen_seq = $1 where path = 'payments/c7/db'";
            Ok(sqlx::query(moved).bind(seq.get().cast_signed()).execute(c).await?)
        })
        .await?;
    let began = Instant::now();
    assert_eq!(read(&mut c, &clusters, Which::ChangedSince(before), &Mark::ORIGIN).await?.facts.len(), 1);
    timed("one cluster's version is found", began);
    for (what, which) in [("all clusters connect", Which::All), ("a sweep with nothing in step", Which::NotInStep)] {
        let began = Instant::now();
        assert_eq!(read(&mut c, &clusters, which, &Mark::ORIGIN).await?.facts.len(), EACH);
        timed(what, began);
    }
    let began = Instant::now();
    let (page, _) = delivery::list(&mut c, Filter::default(), &Page::default()).await?;
    assert!(page.iter().all(|d| d.versions.len() == 2 && d.versions[0].path == format!("payments/{}/db", d.cluster)));
    timed("the first page", began);
    let began = Instant::now();
    registry.cluster("c7", "env=dev").await?;
    timed("a cluster's label moves one placement", began);
    let began = Instant::now();
    registry.grant("more", "orders/**", "").await?;
    timed("a grant is written that changes nothing", began);
    Ok(())
}
