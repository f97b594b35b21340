//! Deliveries as they are shown.

use chrono::{DateTime, Utc};
use lockstep_core::delivery::{DeliveryStatus, RestartProgress};
use lockstep_core::revision::{Epoch, Revision};
use serde::Deserialize;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::meta::seq;
use crate::page::{self, Page, cut};
use crate::{Result, StoreError};

/// A delivery as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The cluster's name.
    pub cluster: String,
    /// The binding's name.
    pub binding: String,
    /// The project's name.
    pub project: String,
    /// How it stands.
    pub status: DeliveryStatus,
    /// Why.
    pub cause: Option<String>,
    /// What the cluster should hold.
    pub desired: Revision,
    /// What it confirmed.
    pub applied: Option<Revision>,
    /// When.
    pub applied_at: Option<DateTime<Utc>>,
    /// Targets that hold it, of all.
    pub targets: (u32, u32),
    /// The version of each item, in the binding's order.
    pub versions: Vec<ItemVersion>,
    /// Of a binding that only observes: how many keys delivering would change, of how many.
    pub observed: Option<(u32, u32)>,
    /// How restarts go, and which revision they follow from.
    pub restart: Option<(Revision, RestartProgress)>,
    /// How often its targets were found changed in the cluster, and when last.
    pub drifted: (u64, Option<DateTime<Utc>>),
}

/// The version of one item.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ItemVersion {
    /// The source's name.
    pub source: String,
    /// The mount.
    pub mount: String,
    /// The path.
    pub path: String,
    /// What the cluster has; `None`: nothing, or nobody knows.
    pub applied: Option<u64>,
    /// What it should have; `None`: nothing, because it is gone at its source or was never there.
    pub desired: Option<u64>,
}

/// What to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Of this cluster.
    pub cluster: Option<&'a str>,
    /// Of this binding.
    pub binding: Option<&'a str>,
    /// In this status.
    pub status: Option<DeliveryStatus>,
    /// Of bindings of this project.
    pub project: Option<&'a str>,
}

#[derive(sqlx::FromRow)]
struct Row {
    cluster: String,
    binding: String,
    project: String,
    status: String,
    cause: Option<String>,
    desired_epoch: i64,
    desired_seq: i64,
    applied_epoch: Option<i64>,
    applied_seq: Option<i64>,
    applied_at: Option<DateTime<Utc>>,
    targets_applied: i32,
    targets_total: i32,
    versions: Option<Json<Vec<ItemVersion>>>,
    would_change: Option<i32>,
    would_total: Option<i32>,
    restart: Option<Json<Restart>>,
    drifted_total: i64,
    last_drift_at: Option<DateTime<Utc>>,
}

/// As the view has it.
#[derive(Deserialize)]
pub(super) struct Restart {
    epoch: i64,
    seq: i64,
    #[serde(flatten)]
    progress: RestartProgress,
}

impl Restart {
    /// Which revision they follow from, and how they go.
    pub(super) fn parts(self) -> (Revision, RestartProgress) {
        (revision(self.epoch, self.seq), self.progress)
    }
}

pub(super) fn revision(epoch: i64, at: i64) -> Revision {
    Revision { epoch: Epoch::new(epoch.cast_unsigned()), seq: seq(at) }
}

impl TryFrom<Row> for Listed {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            status: row.status.parse().map_err(|e| StoreError::corrupt("delivery_status")(&e))?,
            cluster: row.cluster,
            binding: row.binding,
            project: row.project,
            cause: row.cause,
            desired: revision(row.desired_epoch, row.desired_seq),
            applied: row.applied_epoch.zip(row.applied_seq).map(|(e, s)| revision(e, s)),
            applied_at: row.applied_at,
            targets: (row.targets_applied.cast_unsigned(), row.targets_total.cast_unsigned()),
            versions: row.versions.map(|v| v.0).unwrap_or_default(),
            observed: row.would_change.zip(row.would_total).map(|(c, t)| (c.cast_unsigned(), t.cast_unsigned())),
            restart: row.restart.map(|Json(r)| r.parts()),
            drifted: (row.drifted_total.cast_unsigned(), row.last_drift_at),
        })
    }
}

/// One page, by cluster and binding name.
pub async fn list(connection: &mut PgConnection, filter: Filter<'_>, page: &Page) -> Result<(Vec<Listed>, Option<String>)> {
    let [cluster, binding] = page::parts(page.after());
    let rows: Vec<Row> = sqlx::query_as(
        "select * from delivery_status where ($1::text is null or cluster = $1) and ($2::text is null or binding = $2) \
         and ($3::text is null or status = $3) and ($8::text is null or project = $8) and cluster >= $4 and (cluster, binding) > ($4, $5) \
         and reached($7, project, (select labels from cluster c where c.id = cluster_id)) order by cluster, binding limit $6",
    )
    .bind(filter.cluster)
    .bind(filter.binding)
    .bind(filter.status.map(DeliveryStatus::as_str))
    .bind(cluster)
    .bind(binding)
    .bind(page.rows())
    .bind(Json(&page.reach))
    .bind(filter.project)
    .fetch_all(connection)
    .await?;
    let listed = rows.into_iter().map(TryInto::try_into).collect::<Result<_>>()?;
    Ok(cut(listed, page.size(), |l: &Listed| format!("{}/{}", l.cluster, l.binding)))
}
