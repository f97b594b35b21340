//! Join tokens: one use, by one key. Stored hashed; the claiming public key is remembered, so the same key may retry.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::id::{ClusterId, InstanceId, JoinTokenId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;

/// What came of using a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is this key's now, or was already.
    Granted {
        /// For this cluster.
        cluster: ClusterId,
        /// As this installation.
        instance: InstanceId,
        /// Whether this was the first use.
        first: bool,
    },
    /// Refused; the cluster, where the token is known, so that it can be recorded.
    Refused {
        /// Whose token it was.
        cluster: Option<ClusterId>,
        /// Why, for the operator; the caller is told less.
        reason: Refusal,
    },
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such token.
    Unknown,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
    /// Another key has used it.
    Claimed,
}

impl Refusal {
    /// A sentence for the history.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Claimed => "already used by another key",
        }
    }
}

/// Registers a token by its hash; answers its id and when it ends.
pub async fn insert(
    connection: &mut PgConnection,
    cluster: ClusterId,
    hash: &[u8],
    life: Duration,
) -> Result<(JoinTokenId, DateTime<Utc>)> {
    let (id, expires_at): (Uuid, DateTime<Utc>) = sqlx::query_as(
        "insert into join_token (cluster_id, hash, expires_at) values ($1, $2, clock_timestamp() + make_interval(secs => $3)) \
         returning id, expires_at",
    )
    .bind(cluster.uuid())
    .bind(hash)
    .bind(life.as_secs_f64())
    .fetch_one(connection)
    .await?;
    Ok((id.into(), expires_at))
}

/// Revokes every token of the cluster that was not used yet.
pub async fn revoke_open(connection: &mut PgConnection, cluster: ClusterId) -> Result<u64> {
    let revoked = sqlx::query(
        "update join_token set revoked_at = clock_timestamp() where cluster_id = $1 and revoked_at is null and claimed_key is null",
    )
    .bind(cluster.uuid())
    .execute(connection)
    .await?;
    Ok(revoked.rows_affected())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    cluster_id: Uuid,
    expired: bool,
    revoked: bool,
    claimed_key: Option<Vec<u8>>,
    instance_id: Option<Uuid>,
}

/// Uses a token with a public key, given by its SHA-256. The row is locked, so that of two keys at once one wins.
pub async fn claim(connection: &mut PgConnection, hash: &[u8], key: &[u8], new_instance: InstanceId) -> Result<Claim> {
    let row: Option<Row> = sqlx::query_as(
        "select id, cluster_id, expires_at <= clock_timestamp() as expired, revoked_at is not null as revoked, claimed_key, instance_id \
         from join_token where hash = $1 for update",
    )
    .bind(hash)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(Claim::Refused { cluster: None, reason: Refusal::Unknown }) };
    let cluster = row.cluster_id.into();
    let refused = |reason| Ok(Claim::Refused { cluster: Some(cluster), reason });
    match (&row.claimed_key, row.instance_id) {
        _ if row.revoked => refused(Refusal::Revoked),
        _ if row.expired => refused(Refusal::Expired),
        (Some(claimed), Some(instance)) if claimed == key => {
            Ok(Claim::Granted { cluster, instance: instance.into(), first: false })
        }
        (Some(_), _) => refused(Refusal::Claimed),
        (None, _) => {
            sqlx::query("update join_token set claimed_key = $2, instance_id = $3 where id = $1")
                .bind(row.id)
                .bind(key)
                .bind(new_instance.uuid())
                .execute(connection)
                .await?;
            Ok(Claim::Granted { cluster, instance: new_instance, first: true })
        }
    }
}
