//! What connected clusters should hold, read for dispatch: placements with what they depend on, and the last evidence.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::{DateTime, Utc};
use lockstep_core::binding::{Binding, BindingSpec, DeletionPolicy, Mode};
use lockstep_core::cluster::Life;
use lockstep_core::digest::{Digest, DigestKeyId};
use lockstep_core::history::{Mark, Standing, standing};
use lockstep_core::id::{ClusterId, SecretId};
use lockstep_core::placement::Placement;
use lockstep_core::plan::{Desired, Reported, Want, desired};
use lockstep_core::revision::{Epoch, Revision, Seq};
use lockstep_core::version::{Known, VersionNumber};
use serde::Deserialize;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row as _};
use uuid::Uuid;

use crate::meta::{seq, stored};
use crate::placement::Detail;
use crate::registry::{Registry, RegistryRow};
use crate::secret::{SecretRecord, SecretRow};
use crate::{Result, StoreError, change};

/// One placement with all that its content depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Where.
    pub cluster: ClusterId,
    /// The binding's name, for logs.
    pub name: String,
    /// The binding.
    pub binding: Binding,
    /// When it was registered: of two that want one key, the older has it.
    pub registered: DateTime<Utc>,
    /// The planner's answer.
    pub placement: Placement,
    /// What follows: the revision, and what to hold.
    pub desired: Desired,
    /// The secrets of its items, in their order.
    pub secrets: Vec<SecretRecord>,
    /// What its last ack said.
    pub acked: Option<Reported>,
}

impl Facts {
    /// Whether what the cluster holds is to be deleted there. What only observes holds nothing that would be ours to delete.
    pub fn purges(&self) -> bool {
        self.desired.want == Want::Remove(DeletionPolicy::Delete) && self.binding.spec.delivered.mode != Mode::Observe
    }

    /// The version of each item that content is rendered from, in the binding's order; none where there is no content.
    pub fn versions(&self) -> Vec<(SecretId, Option<VersionNumber>)> {
        match &self.desired.want {
            Want::Content(choices) => {
                self.secrets.iter().zip(choices).map(|(secret, choice)| (secret.id, choice.number())).collect()
            }
            Want::Remove(_) | Want::Withhold(_) => Vec::new(),
        }
    }
}

/// A consistent look at the registry.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The registry at that moment.
    pub registry: Registry,
    /// Whether its history has what the reader saw last. Numbers alone say too little: a restored registry soon has as many changes as the
    /// lost one had.
    pub standing: Standing,
    /// Clusters to which nothing is sent now, and why.
    pub withheld: BTreeMap<ClusterId, String>,
    /// Up to which change deletions were confirmed, for each cluster.
    pub confirmed: BTreeMap<ClusterId, Seq>,
    /// Those of the clusters that are revoked. Only these are told of: it is read with every commit.
    pub revoked: BTreeMap<ClusterId, Life>,
    /// The placements asked for.
    pub facts: Vec<Facts>,
}

/// Which placements to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All: an agent has connected.
    All,
    /// Those that changed after this seq: a commit was heard of.
    ChangedSince(Seq),
    /// Those whose evidence does not say that they are in step: a sweep.
    NotInStep,
}

/// The registry, in each row.
#[derive(sqlx::FromRow)]
struct HeadRow {
    #[sqlx(flatten)]
    registry: RegistryRow,
    /// Of the change that the reader saw last.
    seen_hash: Option<Vec<u8>>,
    /// Of the clusters that were asked for; in the first row only.
    clusters: Option<Json<BTreeMap<Uuid, ClusterState>>>,
}

/// As Postgres writes it in JSON.
#[derive(Deserialize)]
struct ClusterState {
    withheld: Option<String>,
    deletions_confirmed: i64,
    revoked: Option<Life>,
}

/// A placement, in a row, or where it is the first of its binding in one for each of the binding's items.
#[derive(sqlx::FromRow)]
struct PlacementRow {
    cluster_id: Uuid,
    binding_id: Uuid,
    detail: Json<Detail>,
    placement_seq: i64,
    applied_epoch: Option<i64>,
    applied_seq: Option<i64>,
    applied_key: Option<String>,
    applied_digest: Option<Vec<u8>>,
}

/// A binding, in the rows of its first placement.
#[derive(sqlx::FromRow)]
struct BindingRow {
    name: String,
    project_id: Uuid,
    spec: Json<BindingSpec>,
    spec_seq: i64,
    created_at: DateTime<Utc>,
}

/// A binding as read once, for however many clusters.
struct Bound {
    name: String,
    binding: Binding,
    registered: DateTime<Utc>,
    /// Where they do not differ by cluster.
    secrets: Vec<SecretRecord>,
}

/// A placement with the secrets that are drawn in its cluster, where those differ by cluster.
struct Placed {
    row: PlacementRow,
    secrets: Vec<SecretRecord>,
}

const ALL: &str = "select binding_id, cluster_id from placement where cluster_id = any($1) and $2::bigint is null";

/// A superset of what changed, found by index from each place where a seq can move: asking the view would compute every placement's. `is true`,
/// so that placements are not looked for by their clusters: those are most of all there are.
const MOVED: &str = "select binding_id, cluster_id from placement where (cluster_id = any($1)) is true and seq > $2 \
    union select p.binding_id, p.cluster_id from placement p join ( \
        select id as binding_id from binding where spec_seq > $2 \
        union select i.binding_id from binding_item i join secret s on s.id = i.secret_id \
              where i.cluster_id is null and greatest(s.chosen_seq, s.incarnation_seq, s.presence_seq) > $2 \
    ) moved using (binding_id) where (p.cluster_id = any($1)) is true \
    union select i.binding_id, i.cluster_id from binding_item i join secret s on s.id = i.secret_id \
        where (i.cluster_id = any($1)) is true and greatest(s.chosen_seq, s.incarnation_seq, s.presence_seq) > $2";

const NOT_IN_STEP: &str = "select d.binding_id, d.cluster_id from desired d \
    left join delivery l on l.binding_id = d.binding_id and l.cluster_id = d.cluster_id \
    where d.cluster_id = any($1) and $2::bigint is null \
      and (l.applied_epoch, l.applied_seq) is distinct from (d.epoch, d.seq)";

/// Everything in one statement, because a delivery waits for each exchange with Postgres. Nothing is said twice that is long: the state of
/// the clusters comes in the first row, a binding in the first of its own, and its secrets with the first of its placements, or with each
/// where they differ by cluster.
fn statement(picked: &str) -> String {
    format!(
        "select r.id as registry_id, r.epoch, r.seq, r.hash, r.held, (select hash from change where seq = $3) as seen_hash, \
            case when row_number() over (order by k.binding_id, k.place, i.position) = 1 then ( \
                select jsonb_object_agg(c.id, jsonb_build_object( \
                    'withheld', coalesce(c.held, case when c.state = 'Paused' then 'the cluster is paused' end), \
                    'deletions_confirmed', c.deletions_confirmed_seq, \
                    'revoked', case when c.state = 'Revoked' then \
                        jsonb_build_object('state', c.state, 'purge', c.purge, 'instance', c.instance_id) end)) \
                from cluster c where c.id = any($1)) end as clusters, \
            p.cluster_id, p.binding_id, p.detail, p.seq as placement_seq, \
            l.applied_epoch, l.applied_seq, l.applied_key, l.applied_digest, \
            b.name, b.project_id, b.spec_seq, b.created_at, s.*, i.cluster_id as drawn_in, \
            case when k.place = 1 and coalesce(i.position, 0) = 0 then b.spec end as spec \
         from registry r \
         left join (select *, row_number() over (partition by binding_id order by cluster_id) as place from ({picked}) moved) k on true \
         left join placement p on p.binding_id = k.binding_id and p.cluster_id = k.cluster_id \
         left join delivery l on l.binding_id = k.binding_id and l.cluster_id = k.cluster_id \
         left join binding b on b.id = k.binding_id and k.place = 1 \
         left join lateral ( \
             select position, secret_id, cluster_id from binding_item \
                 where k.place = 1 and binding_id = k.binding_id and cluster_id is null \
             union all \
             select position, secret_id, cluster_id from binding_item where binding_id = k.binding_id and cluster_id = k.cluster_id \
         ) i on true \
         left join secret s on s.id = i.secret_id \
         order by k.binding_id, k.place, i.position"
    )
}

/// Reads the placements of `clusters` as they are at one moment, and compares the registry's history with what was `seen` last.
pub async fn read(connection: &mut PgConnection, clusters: &[ClusterId], which: Which, seen: &Mark) -> Result<Snapshot> {
    let (picked, since) = match which {
        Which::All => (ALL, None),
        Which::ChangedSince(seq) => (MOVED, Some(seq)),
        Which::NotInStep => (NOT_IN_STEP, None),
    };
    let rows: Vec<PgRow> = sqlx::query(sqlx::AssertSqlSafe(statement(picked)))
        .bind(clusters.iter().map(|c| c.uuid()).collect::<Vec<_>>())
        .bind(since.map(stored))
        .bind(stored(seen.seq))
        .fetch_all(connection)
        .await?;
    let head = rows.first().ok_or_else(|| StoreError::corrupt("registry")(&"it has no row"))?;
    let mut snapshot = snapshot(HeadRow::from_row(head)?, seen)?;
    let (placements, bindings) = parts(&rows)?;
    let epoch = snapshot.registry.head.epoch;
    snapshot.facts = placements.into_iter().map(|row| facts(row, epoch, &bindings)).collect::<Result<_>>()?;
    if let Some(since) = since {
        snapshot.facts.retain(|f| f.desired.revision.seq > since);
    }
    Ok(snapshot)
}

/// A snapshot but for the placements.
fn snapshot(head: HeadRow, seen: &Mark) -> Result<Snapshot> {
    let ours = head.seen_hash.as_deref().map(change::hash).transpose()?;
    let registry = Registry::try_from(head.registry)?;
    let standing = standing(seen, registry.head.epoch, ours);
    let (mut withheld, mut confirmed, mut revoked) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (cluster, state) in head.clusters.map(|clusters| clusters.0).unwrap_or_default() {
        withheld.extend(state.withheld.map(|why| (cluster.into(), why)));
        confirmed.insert(cluster.into(), seq(state.deletions_confirmed));
        revoked.extend(state.revoked.map(|life| (cluster.into(), life)));
    }
    Ok(Snapshot { registry, standing, withheld, confirmed, revoked, facts: Vec::new() })
}

/// The placements, and their bindings with the secrets of their items. One that was deleted has no items any more.
fn parts(rows: &[PgRow]) -> Result<(Vec<Placed>, BTreeMap<Uuid, Bound>)> {
    let (mut placements, mut bindings): (Vec<Placed>, BTreeMap<Uuid, Bound>) = Default::default();
    for row in rows {
        let Some(id) = row.try_get::<Option<Uuid>, _>("binding_id")? else { continue };
        let placement = PlacementRow::from_row(row)?;
        let is_next_item = placements.last().is_some_and(|p| (p.row.binding_id, p.row.cluster_id) == (id, placement.cluster_id));
        if !is_next_item {
            placements.push(Placed { row: placement, secrets: Vec::new() });
            if let Entry::Vacant(first) = bindings.entry(id) {
                first.insert(bound(id, FromRow::from_row(row)?));
            }
        }
        if row.try_get::<Option<Uuid>, _>("id")?.is_some() {
            let secret = SecretRow::from_row(row)?.try_into()?;
            match (row.try_get::<Option<Uuid>, _>("drawn_in")?, placements.last_mut(), bindings.get_mut(&id)) {
                (Some(_), Some(placed), _) => placed.secrets.push(secret),
                (None, _, Some(bound)) => bound.secrets.push(secret),
                _ => {}
            }
        }
    }
    Ok((placements, bindings))
}

fn bound(id: Uuid, row: BindingRow) -> Bound {
    let BindingRow { name, project_id, spec, spec_seq, created_at } = row;
    let binding = Binding { id: id.into(), project: project_id.into(), spec: spec.0, spec_seq: seq(spec_seq) };
    Bound { name, binding, registered: created_at, secrets: Vec::new() }
}

fn facts(Placed { row, secrets: own }: Placed, epoch: Epoch, bindings: &BTreeMap<Uuid, Bound>) -> Result<Facts> {
    let acked = match (row.applied_epoch, row.applied_seq) {
        (Some(epoch), Some(at)) => Some(Reported {
            revision: Revision { epoch: Epoch::new(epoch.cast_unsigned()), seq: seq(at) },
            digest: digest(row.applied_key, row.applied_digest)?,
        }),
        _ => None,
    };
    let missing = || StoreError::corrupt("placement")(&format!("its binding {} does not exist", row.binding_id));
    let Bound { name, binding, registered, secrets } = bindings.get(&row.binding_id).ok_or_else(missing)?;
    let secrets = if own.is_empty() { secrets.clone() } else { own };
    let known: Vec<&Known> = secrets.iter().map(|s| &s.known).collect();
    let placement = row.detail.0.placement;
    let desired = desired(epoch, &placement, seq(row.placement_seq), Some(binding), &known);
    Ok(Facts {
        cluster: row.cluster_id.into(),
        name: name.clone(),
        binding: binding.clone(),
        registered: *registered,
        placement,
        desired,
        secrets,
        acked,
    })
}

fn digest(key: Option<String>, hmac: Option<Vec<u8>>) -> Result<Option<Digest>> {
    let (Some(key), Some(hmac)) = (key, hmac) else { return Ok(None) };
    let hmac = hmac.as_slice().try_into().map_err(|e| StoreError::corrupt("delivery")(&e))?;
    Ok(Some(Digest { key: DigestKeyId::new(key), hmac }))
}
