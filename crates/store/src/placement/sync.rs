//! Delivering anew what is delivered already.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::name::SourceName;
use lockstep_core::revision::{Epoch, Revision, Seq};
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;

use crate::meta::{seq, stored};
use crate::{Result, StoreError};

/// The kind of the change.
pub const SYNC_ASKED: &str = "SyncAsked";
/// How far back in what was done to a binding a sync is looked for.
const LOOKED_AT_MAX: i64 = 100;

/// Gives a binding's placements in all clusters, or in one, this change's number, so that their content counts as new and is read, rendered, sent
/// and applied once more (ADR 0038). Those that are denied, or whose content is to go, stay as they are. Returns how many.
pub async fn sync(connection: &mut PgConnection, id: BindingId, cluster: Option<ClusterId>, at: Seq) -> Result<u64> {
    let done = sqlx::query(
        "update placement p set seq = $3 from ( \
             select d.binding_id, d.cluster_id from desired d \
             where d.binding_id = $1 and ($2::uuid is null or d.cluster_id = $2) and d.answer = 'Placed' and not d.purges) d \
         where p.binding_id = d.binding_id and p.cluster_id = d.cluster_id",
    )
    .bind(id.uuid())
    .bind(cluster.map(ClusterId::uuid))
    .bind(stored(at))
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// A sync that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What its deliveries have at least when they are done.
    pub revision: Revision,
    /// When.
    pub at: DateTime<Utc>,
    /// How many placements it moved.
    pub placements: u64,
}

/// The newest sync of this subject within `pause` that was of this cluster, or of all.
pub async fn asked_lately(
    connection: &mut PgConnection,
    subject: &str,
    cluster: Option<&str>,
    pause: Duration,
) -> Result<Option<Asked>> {
    let pause = PgInterval::try_from(pause).map_err(|e| StoreError::Postgres(sqlx::Error::Encode(e)))?;
    let row: Option<(i64, i64, DateTime<Utc>, i64)> = sqlx::query_as(
        "select epoch, seq, at, coalesce((detail ->> 'placements')::bigint, 0) from ( \
             select epoch, seq, at, kind, detail from change where subject = $1 order by seq desc limit $5) newest \
         where kind = $2 and at > clock_timestamp() - $3 and coalesce(detail ->> 'cluster' = $4, detail ->> 'cluster' is null) \
         order by seq desc limit 1",
    )
    .bind(subject)
    .bind(SYNC_ASKED)
    .bind(pause)
    .bind(cluster)
    .bind(LOOKED_AT_MAX)
    .fetch_optional(connection)
    .await?;
    let asked = |(epoch, number, at, placements): (i64, i64, DateTime<Utc>, i64)| Asked {
        revision: Revision { epoch: Epoch::new(epoch.cast_unsigned()), seq: seq(number) },
        at,
        placements: placements.cast_unsigned(),
    };
    Ok(row.map(asked))
}

/// The sources that a binding's secrets are in.
pub async fn sources(connection: &mut PgConnection, id: BindingId) -> Result<Vec<SourceName>> {
    let names: Vec<String> = sqlx::query_scalar(
        "select distinct so.name from binding_item i join secret s on s.id = i.secret_id join source so on so.id = s.source_id \
         where i.binding_id = $1 order by so.name",
    )
    .bind(id.uuid())
    .fetch_all(connection)
    .await?;
    names.into_iter().map(|name| name.parse().map_err(|e| StoreError::corrupt("source")(&e))).collect()
}
