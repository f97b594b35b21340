//! The view `desired` spells core's rule: what each cluster should hold, as a revision.

use std::cell::Cell;
use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use lockstep_core::binding::{BindingSpec, DeletionPolicy, Item, Mode};
use lockstep_core::cluster::ClusterState;
use lockstep_core::delivery::Outcome;
use lockstep_core::history::Mark;
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::name::ClusterName;
use lockstep_core::placement::Placement;
use lockstep_core::plan::{self, Want};
use lockstep_core::revision::{Epoch, Revision, Seq};
use lockstep_core::version::{Began, Known, SecretSeqs, SecretState, VersionNumber};
use lockstep_store::change::Writing;
use lockstep_store::delivery::ItemVersion;
use lockstep_store::desired::{Facts, Which, read};
use lockstep_store::{PgConnection, secret};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::types::Json;
use uuid::Uuid;

use crate::fixture::{Registry, entry, item, report, secret_ref, spec, version};

const PATHS: [&str; 4] = ["payments/a", "payments/b", "orders/c", BY_CLUSTER];
const BY_CLUSTER: &str = "payments/{cluster}/d";
/// What there is to know of: of the last path, in each cluster.
const SECRETS: [&str; 6] = ["payments/a", "payments/b", "orders/c", "payments/c0/d", "payments/c1/d", "payments/c2/d"];
const SELECTORS: [&str; 3] = ["env=prod", "env", "env notin (prod)"];

/// Something to begin with.
const FIRST: [Op; 3] = [Op::Cluster(0, true), Op::Cluster(1, false), Op::Grant(0, true)];

#[derive(Debug, Clone)]
enum Op {
    Cluster(usize, bool),
    State(usize, usize),
    Grant(usize, bool),
    /// Which binding, its paths with their pins, whether it follows deletions at the source, and its selector.
    Bind(usize, Vec<(usize, u64)>, bool, usize),
    Unbind(usize),
    Know(usize, usize, Option<(i64, u64)>, [u64; 3]),
    Ack(usize),
    Epoch,
}

fn op() -> impl Strategy<Value = Op> {
    let items = prop::sample::subsequence(vec![0_usize, 1, 2, 3], 1..=4)
        .prop_flat_map(|paths| paths.into_iter().map(|p| (Just(p), 0..3_u64)).collect::<Vec<_>>());
    prop_oneof![
        2 => (0..3_usize, any::<bool>()).prop_map(|(c, prod)| Op::Cluster(c, prod)),
        1 => (0..3_usize, 0..4_usize).prop_map(|(c, s)| Op::State(c, s)),
        2 => (0..2_usize, prop::bool::weighted(0.8)).prop_map(|(g, granted)| Op::Grant(g, granted)),
        4 => (0..3_usize, items, any::<bool>(), 0..3_usize).prop_map(|(b, i, d, s)| Op::Bind(b, i, d, s)),
        1 => (0..3_usize).prop_map(Op::Unbind),
        7 => (0..SECRETS.len(), 0..6_usize, prop::option::weighted(0.8, (0..2_i64, 1..4_u64)), any::<[u64; 3]>())
            .prop_map(|(s, state, chosen, seqs)| Op::Know(s, state, chosen, seqs)),
        2 => (0..3_usize).prop_map(Op::Ack),
        1 => Just(Op::Epoch),
    ]
}

fn pinned(path: usize, pin: u64) -> Result<Item> {
    let item = item(PATHS[path])?;
    // A version of what differs by cluster cannot be asked for.
    let pin = item.secret.everywhere().and(VersionNumber::new(pin));
    Ok(Item { pin, ..item })
}

fn bound(items: &[(usize, u64)], follow: bool, selector: usize) -> Result<BindingSpec> {
    let mut spec = spec(&[], SELECTORS[selector])?;
    spec.delivered.items = items.iter().map(|(path, pin)| pinned(*path, *pin)).collect::<Result<_>>()?;
    if follow {
        (spec.delivered.source_deletion_policy, spec.deletion_policy) = (DeletionPolicy::Delete, DeletionPolicy::Delete);
        spec.delivered.mode = if selector == 2 { Mode::Observe } else { Mode::Deliver };
    }
    Ok(spec)
}

/// Any state at all, also one that no observation leads to; its seqs are of changes that were made.
fn known(state: usize, chosen: Option<(i64, u64)>, seqs: [u64; 3], now: Seq) -> Result<Known> {
    use SecretState::{Deleted, Destroyed, Live, Missing, Unseen, WentBack};
    let chosen = chosen.map(|(incarnation, number)| version(incarnation, number)).transpose()?;
    let [chosen_seq, incarnation, presence] = seqs.map(|s| if s % 3 == 0 { now } else { Seq::new(s / 3 % (now.get() + 1)) });
    Ok(Known {
        began: Began { token: seqs[0] >> 1, ordinal: seqs[1] >> 1 },
        latest: chosen,
        state: [Unseen, Live, Deleted, Destroyed, Missing, WentBack][state],
        chosen,
        seqs: SecretSeqs { chosen: chosen_seq, incarnation, presence },
    })
}

async fn apply(registry: &Registry, op: &Op) -> Result<()> {
    match op {
        Op::Cluster(c, prod) => {
            registry.cluster(&format!("c{c}"), if *prod { "env=prod" } else { "env=dev" }).await?;
        }
        Op::State(c, state) => {
            let id = registry.cluster(&format!("c{c}"), "env=prod").await?;
            let state = [ClusterState::Active, ClusterState::Paused, ClusterState::Revoked, ClusterState::Removing][*state];
            registry.set_state(id, state).await?;
        }
        Op::Grant(g, granted) => {
            let glob = ["payments/**", "orders/**"][*g];
            if *granted {
                registry.grant(&format!("g{g}"), glob, "").await?;
            } else {
                registry.revoke_grant(&format!("g{g}")).await?;
            }
        }
        Op::Bind(b, items, follow, selector) => {
            registry.bind(&format!("b{b}"), bound(items, *follow, *selector)?).await?;
        }
        // There may be none of that name.
        Op::Unbind(b) => drop(registry.unbind(&format!("b{b}")).await),
        Op::Know(path, state, chosen, seqs) => {
            registry
                .change(async |c, seq| {
                    let id = secret::ensure(c, &secret_ref(SECRETS[*path])?).await?;
                    Ok(secret::write(c, &[(id, known(*state, *chosen, *seqs, seq)?)], seq, None).await?)
                })
                .await?;
        }
        Op::Ack(c) => acknowledge(registry, &format!("c{c}")).await?,
        Op::Epoch => {
            let mut writing = Writing::begin(&registry.pool).await?;
            writing.next_epoch().await?;
            writing.commit(&entry("EpochOpened")).await?;
        }
    }
    Ok(())
}

/// The cluster, if there is one, confirms all it should hold: tombstones without a digest.
async fn acknowledge(registry: &Registry, cluster: &str) -> Result<()> {
    let Ok(cluster) = lockstep_store::cluster::get(&mut *registry.connection().await?, cluster).await else { return Ok(()) };
    let cluster = ClusterId::from(cluster.id);
    let session = registry.connect(cluster).await?;
    let facts = read(&mut *registry.connection().await?, &[cluster], Which::All, &Mark::ORIGIN).await?.facts;
    let mut reports = Vec::new();
    for fact in facts {
        let mut report = report(session, cluster, fact.binding.id, fact.desired.revision, Outcome::Applied);
        report.digest = report.digest.filter(|_| !matches!(fact.placement, Placement::Removed(_)));
        reports.push(report);
    }
    registry.report(&reports).await?;
    Ok(())
}

type Key = (ClusterId, BindingId);

fn keys(facts: &[Facts]) -> Vec<Key> {
    let mut keys: Vec<Key> = facts.iter().map(|f| (f.cluster, f.binding.id)).collect();
    keys.sort_unstable();
    keys
}

async fn compare(registry: &Registry) -> Result<()> {
    let mut c = registry.connection().await?;
    let clusters: Vec<(Uuid, String)> = sqlx::query_as("select id, name from cluster").fetch_all(&mut *c).await?;
    let names: BTreeMap<ClusterId, ClusterName> =
        clusters.into_iter().map(|(id, name)| Ok((id.into(), name.parse()?))).collect::<Result<_>>()?;
    let clusters: Vec<ClusterId> = names.keys().copied().collect();
    let rows: Vec<(Uuid, Uuid, i64, i64, bool)> =
        sqlx::query_as("select cluster_id, binding_id, epoch, seq, purges from desired").fetch_all(&mut *c).await?;
    let view: BTreeMap<Key, (Revision, bool)> = rows
        .into_iter()
        .map(|(c, b, epoch, seq, purges)| {
            let revision = Revision { epoch: Epoch::new(epoch.cast_unsigned()), seq: Seq::new(seq.cast_unsigned()) };
            ((c.into(), b.into()), (revision, purges))
        })
        .collect();

    let all = read(&mut c, &clusters, Which::All, &Mark::ORIGIN).await?;
    let core: BTreeMap<Key, (Revision, bool)> =
        all.facts.iter().map(|f| ((f.cluster, f.binding.id), (f.desired.revision, f.purges()))).collect();
    anyhow::ensure!(view == core, "the view says {view:?}, core {core:?}");
    compare_versions(&mut c, &all.facts).await?;
    for fact in &all.facts {
        // What is denied depends on no secret.
        let secrets = fact.secrets.iter().filter(|_| !matches!(fact.placement, Placement::Denied(_)));
        let known: Vec<&Known> = secrets.map(|s| &s.known).collect();
        let removed = matches!(fact.placement, Placement::Removed(_));
        let items = fact.binding.spec.delivered.items.iter();
        let paths: Vec<_> = items.map(|i| i.secret.resolve(&names[&fact.cluster]).path.clone()).collect();
        let drawn: Vec<_> = fact.secrets.iter().map(|s| s.path.clone()).collect();
        let is_placed = matches!(fact.placement, Placement::Placed | Placement::PlacedWithin(_));
        if fact.binding.spec.delivered.is_by_cluster() {
            anyhow::ensure!(if is_placed { paths == drawn } else { drawn.is_empty() }, "{drawn:?} instead of {paths:?}");
        } else {
            anyhow::ensure!(removed || paths == drawn, "items out of order");
        }
        let placement_seq: i64 = sqlx::query_scalar("select seq from placement where cluster_id = $1 and binding_id = $2")
            .bind(fact.cluster.uuid())
            .bind(fact.binding.id.uuid())
            .fetch_one(&mut *c)
            .await?;
        let binding = (!removed).then_some(&fact.binding);
        let revision = plan::revision(all.registry.head.epoch, Seq::new(placement_seq.cast_unsigned()), binding, &known);
        anyhow::ensure!(revision == fact.desired.revision, "{fact:?}: {revision}");
    }

    for since in (0..=all.registry.head.seq.get()).map(Seq::new) {
        let changed = read(&mut c, &clusters, Which::ChangedSince(since), &Mark::ORIGIN).await?;
        let wanted: Vec<Key> = core.iter().filter(|(_, (r, _))| r.seq > since).map(|(k, _)| *k).collect();
        anyhow::ensure!(keys(&changed.facts) == wanted, "changed since {since}");
    }
    let behind = read(&mut c, &clusters, Which::NotInStep, &Mark::ORIGIN).await?;
    let acked = |f: &&Facts| f.acked.as_ref().map(|a| a.revision) != Some(f.desired.revision);
    let wanted: Vec<Facts> = all.facts.iter().filter(acked).cloned().collect();
    anyhow::ensure!(keys(&behind.facts) == keys(&wanted), "not in step");
    Ok(())
}

/// The numbers that `delivery_status` wants, and those that content is rendered from.
async fn compare_versions(c: &mut PgConnection, facts: &[Facts]) -> Result<()> {
    for fact in facts {
        let Want::Content(choices) = &fact.desired.want else { continue };
        let numbers: Vec<Option<u64>> = choices.iter().map(|c| c.number().map(VersionNumber::get)).collect();
        let shown: Json<Vec<ItemVersion>> =
            sqlx::query_scalar("select versions from delivery_status where cluster_id = $1 and binding_id = $2")
                .bind(fact.cluster.uuid())
                .bind(fact.binding.id.uuid())
                .fetch_one(&mut *c)
                .await?;
        anyhow::ensure!(shown.iter().map(|v| v.desired).collect::<Vec<_>>() == numbers, "{shown:?}, core {numbers:?}");
    }
    Ok(())
}

#[test]
fn the_view_and_every_way_to_read_agree_with_core_on_random_registries() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let registry = runtime.block_on(Registry::new())?;
    let (placements, tombstones, by_cluster) = (Cell::new(0), Cell::new(0), Cell::new(0_i64));
    TestRunner::new(Config { cases: 60, max_shrink_iters: 200, failure_persistence: None, ..Config::default() }).run(
        &prop::collection::vec(op(), 5..40),
        |ops| {
            let compared = runtime.block_on(async {
                registry.sql("truncate cluster, binding, secret, \"grant\", change cascade").await?;
                registry.sql("update registry set seq = 0, epoch = 1").await?;
                for op in FIRST.iter().chain(&ops) {
                    apply(&registry, op).await.with_context(|| format!("{op:?}"))?;
                }
                compare(&registry).await?;
                let answers = registry.placements().await?;
                let drawn = "select count(*) from binding_item where cluster_id is not null";
                by_cluster.set(by_cluster.get() + sqlx::query_scalar::<_, i64>(drawn).fetch_one(&registry.pool).await?);
                Ok::<_, anyhow::Error>((answers.len(), answers.iter().filter(|a| a.ends_with("Removed")).count()))
            });
            match compared {
                Ok((all, removed)) => {
                    placements.update(|n| n + all);
                    tombstones.update(|n| n + removed);
                }
                Err(error) => prop_assert!(false, "{error:#}"),
            }
            Ok(())
        },
    )?;
    let (placements, tombstones) = (placements.get(), tombstones.get());
    println!("compared {placements} placements, {tombstones} of them tombstones; {} items by cluster", by_cluster.get());
    assert!(by_cluster.get() > 20, "nothing differed by cluster");
    assert!(placements > 100 && tombstones > 10, "the registries were too empty to show anything: {placements}, {tombstones}");
    Ok(())
}
