//! The newest certificate of each agent installation: what an expired agent proves itself with.

use chrono::{DateTime, Utc};
use lockstep_core::id::{ClusterId, InstanceId};
use sqlx::PgConnection;

use crate::Result;

/// A certificate as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
    /// When it ends, or ended.
    pub not_after: DateTime<Utc>,
}

/// Records a newly signed certificate. `false`: meanwhile the cluster was revoked, or the installation is no more its own; then it is to be
/// given to nobody.
pub async fn record(
    connection: &mut PgConnection,
    cluster: ClusterId,
    instance: InstanceId,
    serial: &str,
    recorded: &Recorded,
) -> Result<bool> {
    let recorded = sqlx::query(
        "insert into agent_certificate (instance_id, cluster_id, public_key, serial, not_after, signed_at) \
         select $1, id, $3, $4, $5, now() from cluster where id = $2 and instance_id = $1 and state <> 'Revoked' \
         on conflict (instance_id) do update set public_key = $3, serial = $4, not_after = $5, signed_at = now()",
    )
    .bind(instance.uuid())
    .bind(cluster.uuid())
    .bind(&recorded.public_key)
    .bind(serial)
    .bind(recorded.not_after)
    .execute(connection)
    .await?;
    Ok(recorded.rows_affected() == 1)
}

/// The recorded certificate of an installation.
pub async fn get(connection: &mut PgConnection, instance: InstanceId) -> Result<Option<Recorded>> {
    let row: Option<(Vec<u8>, DateTime<Utc>)> =
        sqlx::query_as("select public_key, not_after from agent_certificate where instance_id = $1")
            .bind(instance.uuid())
            .fetch_optional(connection)
            .await?;
    Ok(row.map(|(public_key, not_after)| Recorded { public_key, not_after }))
}
