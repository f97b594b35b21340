//! What connected clusters should hold, read for dispatch: placements with what they depend on, and the last evidence.

use std::collections::BTreeMap;

use lockstep_core::binding::{Binding, BindingSpec};
use lockstep_core::digest::{Digest, DigestKeyId};
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::placement::Placement;
use lockstep_core::plan::{Desired, Reported, desired};
use lockstep_core::revision::{Epoch, Revision, Seq};
use lockstep_core::version::Known;
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
    /// The planner's answer.
    pub placement: Placement,
    /// What follows: the revision, and what to hold.
    pub desired: Desired,
    /// The secrets of its items, in their order.
    pub secrets: Vec<SecretRecord>,
    /// What its last ack said.
    pub acked: Option<Reported>,
}

/// A consistent look at the registry.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The registry at that moment.
    pub registry: registry::Registry,
    /// Clusters to which nothing is sent now, and why.
    pub withheld: BTreeMap<ClusterId, String>,
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
    name: String,
    project_id: Uuid,
    spec: Json<BindingSpec>,
    spec_seq: i64,
    applied_epoch: Option<i64>,
    applied_seq: Option<i64>,
    applied_key: Option<String>,
    applied_digest: Option<Vec<u8>>,
}

#[derive(sqlx::FromRow)]
struct ItemRow {
    binding_id: Uuid,
    #[sqlx(flatten)]
    secret: SecretRow,
}

/// Reads the placements of `clusters` in one snapshot.
pub async fn read(connection: &mut PgConnection, clusters: &[ClusterId], which: Which) -> Result<Snapshot> {
    let mut transaction = connection.begin_with("begin isolation level repeatable read, read only").await?;
    let registry = registry::get(&mut transaction).await?;
    let ids: Vec<Uuid> = clusters.iter().map(|c| c.uuid()).collect();
    let (since, all) = match which {
        Which::All => (None, true),
        Which::ChangedSince(seq) => (Some(stored(seq)), false),
        Which::NotInStep => (None, false),
    };
    let rows: Vec<Row> = sqlx::query_as(
        "select d.cluster_id, d.binding_id, d.detail, d.placement_seq, b.name, b.project_id, b.spec, b.spec_seq, \
                l.applied_epoch, l.applied_seq, l.applied_key, l.applied_digest \
         from desired d join binding b on b.id = d.binding_id \
         left join delivery l on l.binding_id = d.binding_id and l.cluster_id = d.cluster_id \
         where d.cluster_id = any($1) and ($2 or d.seq > $3 \
             or ($3 is null and (l.applied_epoch, l.applied_seq) is distinct from (d.epoch, d.seq)))",
    )
    .bind(&ids)
    .bind(all)
    .bind(since)
    .fetch_all(&mut *transaction)
    .await?;
    let mut bindings: Vec<Uuid> = rows.iter().map(|r| r.binding_id).collect();
    bindings.sort_unstable();
    bindings.dedup();
    let items: Vec<ItemRow> = sqlx::query_as(
        "select i.binding_id, s.* from binding_item i join secret s on s.id = i.secret_id \
         where i.binding_id = any($1) order by i.binding_id, i.position",
    )
    .bind(&bindings)
    .fetch_all(&mut *transaction)
    .await?;
    let withheld: Vec<(Uuid, String)> = sqlx::query_as(
        "select id, coalesce(held, 'the cluster is paused') from cluster where id = any($1) and (held is not null or state = 'Paused')",
    )
    .bind(&ids)
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;

    let mut secrets: BTreeMap<Uuid, Vec<SecretRecord>> = BTreeMap::new();
    for item in items {
        secrets.entry(item.binding_id).or_default().push(item.secret.try_into()?);
    }
    let epoch = registry.head.epoch;
    let facts = rows.into_iter().map(|row| facts(row, epoch, &secrets)).collect::<Result<_>>()?;
    Ok(Snapshot { registry, withheld: withheld.into_iter().map(|(id, why)| (id.into(), why)).collect(), facts })
}

fn facts(row: Row, epoch: Epoch, secrets: &BTreeMap<Uuid, Vec<SecretRecord>>) -> Result<Facts> {
    let acked = match (row.applied_epoch, row.applied_seq) {
        (Some(epoch), Some(at)) => Some(Reported {
            revision: Revision { epoch: Epoch::new(epoch.cast_unsigned()), seq: seq(at) },
            digest: digest(row.applied_key, row.applied_digest)?,
        }),
        _ => None,
    };
    let binding = Binding {
        id: BindingId::from(row.binding_id),
        project: row.project_id.into(),
        spec: row.spec.0,
        spec_seq: seq(row.spec_seq),
    };
    let secrets = secrets.get(&row.binding_id).cloned().unwrap_or_default();
    let known: Vec<&Known> = secrets.iter().map(|s| &s.known).collect();
    let placement = row.detail.0.placement;
    let desired = desired(epoch, &placement, seq(row.placement_seq), Some(&binding), &known);
    Ok(Facts { cluster: row.cluster_id.into(), name: row.name, binding, placement, desired, secrets, acked })
}

fn digest(key: Option<String>, hmac: Option<Vec<u8>>) -> Result<Option<Digest>> {
    let (Some(key), Some(hmac)) = (key, hmac) else { return Ok(None) };
    let hmac = hmac.as_slice().try_into().map_err(|e| StoreError::corrupt("delivery")(&e))?;
    Ok(Some(Digest { key: DigestKeyId::new(key), hmac }))
}
