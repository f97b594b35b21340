//! How far a change reaches that is being made: which deliveries it moves, and what is known of them.
//!
//! Read in the change's own transaction, before it is committed or given up: what moved is what bears its number. Deliveries come one by one and
//! are counted by [`core`](lockstep_core::blast_radius), so that memory depends on distinct clusters and bindings only.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use lockstep_core::access::Reach;
use lockstep_core::binding::{Binding, BindingSpec, DeletionPolicy, Delivered};
use lockstep_core::blast_radius::{BlastRadius, Held, Moved};
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::placement::Placement;
use lockstep_core::plan::{Want, desired};
use lockstep_core::version::{Known, VersionNumber};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Result;
use crate::change::Writing;
use crate::meta::{seq, stored};
use crate::placement::Detail;
use crate::secret::{SecretRecord, SecretRow};

/// A delivery with what is known of it.
#[derive(sqlx::FromRow)]
struct Row {
    binding_id: Uuid,
    cluster_id: Uuid,
    cluster: String,
    detail: Json<Detail>,
    seq: i64,
    is_seen: bool,
    has_some: bool,
    targets_total: Option<i32>,
    applied_versions: Option<Vec<Option<i64>>>,
    restart_total: Option<i32>,
}

/// A secret of a binding.
#[derive(sqlx::FromRow)]
struct ItemRow {
    binding_id: Uuid,
    drawn_in: Option<Uuid>,
    #[sqlx(flatten)]
    secret: SecretRow,
}

/// A binding as it would be, read once for however many clusters.
struct Bound {
    binding: Binding,
    /// Of its items in order; where they differ by cluster, of each cluster.
    secrets: BTreeMap<Option<Uuid>, Vec<SecretRecord>>,
}

/// Bindings and clusters whose revision would be the change's number, as the view `desired` gives it: found by index.
const MOVED: &str = "select binding_id, cluster_id from placement where seq = $1 \
    union select p.binding_id, p.cluster_id from placement p join binding b on b.id = p.binding_id where b.spec_seq = $1";

/// What a cluster has.
const OF_CLUSTER: &str = "select binding_id, cluster_id from placement where cluster_id = $1";

/// What the change that is being made would change. `before` is a binding that it wrote, as it was; `reach` is what the caller may see.
pub async fn of_change(writing: &mut Writing, before: Option<(BindingId, &Delivered)>, reach: &Reach) -> Result<BlastRadius> {
    let (epoch, at) = (writing.epoch, writing.seq);
    let connection = writing.connection();
    let bindings = bindings(connection, stored(at)).await?;
    let statement = statement(MOVED);
    let mut rows = sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(statement)).bind(stored(at)).bind(Json(reach)).fetch(connection);
    let mut radius = BlastRadius::default();
    while let Some(row) = rows.try_next().await? {
        let Some(Bound { binding, secrets }) = bindings.get(&row.binding_id) else { continue };
        let placement = &row.detail.0.placement;
        let drawn = secrets.get(&Some(row.cluster_id)).or_else(|| secrets.get(&None));
        let known: Vec<&Known> = drawn.into_iter().flatten().map(|s| &s.known).collect();
        radius.add(&Moved {
            cluster: row.cluster_id.into(),
            name: &row.cluster,
            is_seen: row.is_seen,
            binding,
            before: before.filter(|(id, _)| *id == binding.id).map_or(&binding.spec.delivered, |(_, delivered)| delivered),
            want: desired(epoch, placement, seq(row.seq), Some(binding), &known).want,
            is_placed: matches!(placement, Placement::Placed | Placement::PlacedWithin(_)),
            is_answered_anew: seq(row.seq) == at,
            held: row.held(),
        });
    }
    Ok(radius)
}

/// What would stay where it is if a cluster were forgotten now.
pub async fn of_forgetting(connection: &mut PgConnection, cluster: ClusterId, reach: &Reach) -> Result<BlastRadius> {
    let bindings: BTreeMap<Uuid, Binding> = all(connection, OF_CLUSTER, Key::Cluster(cluster)).await?;
    let statement = statement(OF_CLUSTER);
    let rows = sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(statement)).bind(cluster.uuid()).bind(Json(reach));
    let mut rows = rows.fetch(connection);
    let mut radius = BlastRadius::default();
    while let Some(row) = rows.try_next().await? {
        let Some(binding) = bindings.get(&row.binding_id) else { continue };
        radius.add(&Moved {
            cluster,
            name: &row.cluster,
            is_seen: row.is_seen,
            binding,
            before: &binding.spec.delivered,
            want: Want::Remove(DeletionPolicy::Retain),
            is_placed: false,
            is_answered_anew: true,
            held: row.held(),
        });
    }
    Ok(radius)
}

fn statement(picked: &str) -> String {
    format!(
        "select p.binding_id, p.cluster_id, c.name as cluster, p.detail, p.seq, reached($2, pr.name, c.labels) as is_seen, \
            l.applied_digest is not null as has_some, l.targets_total, l.applied_versions, l.restart_total \
         from ({picked}) moved join placement p using (binding_id, cluster_id) join cluster c on c.id = p.cluster_id \
         join binding b on b.id = p.binding_id join project pr on pr.id = b.project_id \
         left join delivery l using (binding_id, cluster_id)"
    )
}

impl Row {
    fn held(&self) -> Option<Held> {
        let count = |number: i32| u64::from(number.unsigned_abs());
        let version = |number: &Option<i64>| number.and_then(|n| VersionNumber::new(n.cast_unsigned()));
        self.has_some.then(|| Held {
            targets: self.targets_total.map_or(0, count),
            versions: self.applied_versions.as_ref().map(|versions| versions.iter().map(version).collect()),
            workloads: self.restart_total.map(count),
        })
    }
}

/// What deliveries are picked by.
enum Key {
    Change(i64),
    Cluster(ClusterId),
}

async fn all(connection: &mut PgConnection, picked: &str, key: Key) -> Result<BTreeMap<Uuid, Binding>> {
    let statement =
        format!("select id, project_id, spec, spec_seq from binding where id in (select binding_id from ({picked}) moved)");
    let query = sqlx::query_as(sqlx::AssertSqlSafe(statement));
    let query = match key {
        Key::Change(at) => query.bind(at),
        Key::Cluster(cluster) => query.bind(cluster.uuid()),
    };
    let rows: Vec<(Uuid, Uuid, Json<BindingSpec>, i64)> = query.fetch_all(connection).await?;
    let one = |(id, project, spec, at): (Uuid, Uuid, Json<BindingSpec>, i64)| {
        (id, Binding { id: id.into(), project: project.into(), spec: spec.0, spec_seq: seq(at) })
    };
    Ok(rows.into_iter().map(one).collect())
}

/// The bindings of which something moves, with the secrets of their items in order. One that was deleted has no items any more.
async fn bindings(connection: &mut PgConnection, at: i64) -> Result<BTreeMap<Uuid, Bound>> {
    let bindings = all(connection, MOVED, Key::Change(at)).await?;
    let mut bound: BTreeMap<Uuid, Bound> =
        bindings.into_iter().map(|(id, binding)| (id, Bound { binding, secrets: BTreeMap::new() })).collect();
    let rows: Vec<ItemRow> = sqlx::query_as(
        "select i.binding_id, i.cluster_id as drawn_in, s.* from binding_item i join secret s on s.id = i.secret_id \
         where i.binding_id = any($1) order by i.binding_id, i.position",
    )
    .bind(bound.keys().copied().collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    for ItemRow { binding_id, drawn_in, secret } in rows {
        if let Some(bound) = bound.get_mut(&binding_id) {
            bound.secrets.entry(drawn_in).or_default().push(secret.try_into()?);
        }
    }
    Ok(bound)
}
