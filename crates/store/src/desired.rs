//! What connected clusters should hold, read for dispatch: placements with what they depend on, and the last evidence.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use lockstep_core::binding::{Binding, BindingSpec, DeletionPolicy, Mode};
use lockstep_core::digest::{Digest, DigestKeyId};
use lockstep_core::id::{ClusterId, SecretId};
use lockstep_core::placement::Placement;
use lockstep_core::plan::{Desired, Reported, Want, desired};
use lockstep_core::revision::{Epoch, Revision, Seq};
use lockstep_core::version::{Known, VersionNumber};
use sqlx::types::Json;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::meta::{seq, stored};
use crate::placement::Detail;
use crate::secret::{SecretRecord, SecretRow};
use crate::{Result, StoreError, registry};

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
    pub registry: registry::Registry,
    /// Clusters to which nothing is sent now, and why.
    pub withheld: BTreeMap<ClusterId, String>,
    /// Up to which change deletions were confirmed, for each cluster.
    pub confirmed: BTreeMap<ClusterId, Seq>,
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

#[derive(sqlx::FromRow)]
struct Row {
    cluster_id: Uuid,
    binding_id: Uuid,
    detail: Json<Detail>,
    placement_seq: i64,
    applied_epoch: Option<i64>,
    applied_seq: Option<i64>,
    applied_key: Option<String>,
    applied_digest: Option<Vec<u8>>,
}

#[derive(sqlx::FromRow)]
struct BindingRow {
    id: Uuid,
    name: String,
    project_id: Uuid,
    spec: Json<BindingSpec>,
    spec_seq: i64,
    created_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct ItemRow {
    binding_id: Uuid,
    #[sqlx(flatten)]
    secret: SecretRow,
}

/// A binding as read once, for however many clusters.
struct Bound {
    name: String,
    binding: Binding,
    registered: DateTime<Utc>,
    secrets: Vec<SecretRecord>,
}

const ALL: &str = "select binding_id, cluster_id from placement where cluster_id = any($1) and $2::bigint is null";

/// A superset of what changed, found by index from each place where a seq can move: asking the view would compute every placement's.
const MOVED: &str = "select binding_id, cluster_id from placement where cluster_id = any($1) and seq > $2 \
    union select p.binding_id, p.cluster_id from placement p join ( \
        select id as binding_id from binding where spec_seq > $2 \
        union select i.binding_id from binding_item i join secret s on s.id = i.secret_id \
              where greatest(s.chosen_seq, s.incarnation_seq, s.presence_seq) > $2 \
    ) moved using (binding_id) where p.cluster_id = any($1)";

const NOT_IN_STEP: &str = "select d.binding_id, d.cluster_id from desired d \
    left join delivery l on l.binding_id = d.binding_id and l.cluster_id = d.cluster_id \
    where d.cluster_id = any($1) and $2::bigint is null \
      and (l.applied_epoch, l.applied_seq) is distinct from (d.epoch, d.seq)";

/// Reads the placements of `clusters` in one snapshot. The connection must not be in a transaction.
pub async fn read(connection: &mut PgConnection, clusters: &[ClusterId], which: Which) -> Result<Snapshot> {
    let mut transaction = connection.begin_with("begin isolation level repeatable read, read only").await?;
    let registry = registry::get(&mut transaction).await?;
    let ids: Vec<Uuid> = clusters.iter().map(|c| c.uuid()).collect();
    let (picked, since) = match which {
        Which::All => (ALL, None),
        Which::ChangedSince(seq) => (MOVED, Some(seq)),
        Which::NotInStep => (NOT_IN_STEP, None),
    };
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select p.cluster_id, p.binding_id, p.detail, p.seq as placement_seq, \
                l.applied_epoch, l.applied_seq, l.applied_key, l.applied_digest \
         from ({picked}) picked join placement p using (binding_id, cluster_id) left join delivery l using (binding_id, cluster_id)"
    )))
    .bind(&ids)
    .bind(since.map(stored))
    .fetch_all(&mut *transaction)
    .await?;
    let bindings = bound(&mut transaction, &rows).await?;
    let states: Vec<(Uuid, Option<String>, i64)> = sqlx::query_as(
        "select id, coalesce(held, case when state = 'Paused' then 'the cluster is paused' end), deletions_confirmed_seq \
         from cluster where id = any($1)",
    )
    .bind(&ids)
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;

    let epoch = registry.head.epoch;
    let mut facts = rows.into_iter().map(|row| facts(row, epoch, &bindings)).collect::<Result<Vec<_>>>()?;
    if let Some(since) = since {
        facts.retain(|f| f.desired.revision.seq > since);
    }
    let confirmed = states.iter().map(|(id, _, confirmed)| ((*id).into(), seq(*confirmed))).collect();
    let withheld = states.into_iter().filter_map(|(id, why, _)| Some((id.into(), why?))).collect();
    Ok(Snapshot { registry, withheld, confirmed, facts })
}

/// The bindings of these placements, with the secrets of their items.
async fn bound(connection: &mut PgConnection, rows: &[Row]) -> Result<BTreeMap<Uuid, Bound>> {
    let ids: Vec<Uuid> = rows.iter().map(|r| r.binding_id).collect::<BTreeSet<_>>().into_iter().collect();
    let bindings: Vec<BindingRow> =
        sqlx::query_as("select id, name, project_id, spec, spec_seq, created_at from binding where id = any($1)")
            .bind(&ids)
            .fetch_all(&mut *connection)
            .await?;
    let items: Vec<ItemRow> = sqlx::query_as(
        "select i.binding_id, s.* from binding_item i join secret s on s.id = i.secret_id \
         where i.binding_id = any($1) order by i.binding_id, i.position",
    )
    .bind(&ids)
    .fetch_all(connection)
    .await?;
    let one = |row: BindingRow| {
        let binding =
            Binding { id: row.id.into(), project: row.project_id.into(), spec: row.spec.0, spec_seq: seq(row.spec_seq) };
        (row.id, Bound { name: row.name, binding, registered: row.created_at, secrets: Vec::new() })
    };
    let mut bound: BTreeMap<Uuid, Bound> = bindings.into_iter().map(one).collect();
    for item in items {
        if let Some(bound) = bound.get_mut(&item.binding_id) {
            bound.secrets.push(item.secret.try_into()?);
        }
    }
    Ok(bound)
}

fn facts(row: Row, epoch: Epoch, bindings: &BTreeMap<Uuid, Bound>) -> Result<Facts> {
    let acked = match (row.applied_epoch, row.applied_seq) {
        (Some(epoch), Some(at)) => Some(Reported {
            revision: Revision { epoch: Epoch::new(epoch.cast_unsigned()), seq: seq(at) },
            digest: digest(row.applied_key, row.applied_digest)?,
        }),
        _ => None,
    };
    let missing = || StoreError::corrupt("placement")(&format!("its binding {} does not exist", row.binding_id));
    let Bound { name, binding, registered, secrets } = bindings.get(&row.binding_id).ok_or_else(missing)?;
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
        secrets: secrets.clone(),
        acked,
    })
}

fn digest(key: Option<String>, hmac: Option<Vec<u8>>) -> Result<Option<Digest>> {
    let (Some(key), Some(hmac)) = (key, hmac) else { return Ok(None) };
    let hmac = hmac.as_slice().try_into().map_err(|e| StoreError::corrupt("delivery")(&e))?;
    Ok(Some(Digest { key: DigestKeyId::new(key), hmac }))
}
