//! Join tokens: one use, by one key. Stored hashed; the claiming public key is remembered, so the same key may retry.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::id::{ClusterId, InstanceId, JoinTokenId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;

/// What an agent shows.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The token's hash.
    pub hash: &'a [u8],
    /// The SHA-256 of its public key.
    pub key: &'a [u8],
    /// The cluster that it was told it is in; empty: it was not told.
    pub cluster: &'a str,
}

/// What comes of using a token.
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
    /// Refused; the cluster, where the token is known.
    Refused {
        /// Whose token it was.
        cluster: Option<ClusterId>,
        /// Why, for the operator; the caller is told less.
        reason: Refusal,
        /// Whether it is to be recorded: the token is known, and it was not refused for this reason before. Whoever has an old token could
        /// fill the history with it.
        is_news: bool,
    },
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such token.
    Unknown,
    /// Its time is over.
    Expired,
    /// It, or its cluster, was revoked; or the cluster is being removed.
    Revoked,
    /// The agent was told that it is in another cluster.
    OtherCluster,
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
            Self::OtherCluster => "shown by an agent of another cluster",
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

/// Registers a token that was found good by other means: from now on it is used once and by one key, as any other. One that is known stays as it is.
pub async fn ensure(connection: &mut PgConnection, cluster: ClusterId, hash: &[u8], expires_at: DateTime<Utc>) -> Result<()> {
    sqlx::query("insert into join_token (cluster_id, hash, expires_at) values ($1, $2, $3) on conflict (hash) do nothing")
        .bind(cluster.uuid())
        .bind(hash)
        .bind(expires_at)
        .execute(connection)
        .await?;
    Ok(())
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

/// Revokes every token of the cluster, also those that were used: not even the key that used one may retry.
pub async fn revoke_all(connection: &mut PgConnection, cluster: ClusterId) -> Result<()> {
    sqlx::query("update join_token set revoked_at = clock_timestamp() where cluster_id = $1 and revoked_at is null")
        .bind(cluster.uuid())
        .execute(connection)
        .await?;
    Ok(())
}

/// How long after its end a token is still known, so that whoever shows it is told that it expired.
const KNOWN_DAYS: i32 = 30;

/// Forgets tokens that ended long ago. Those of service accounts are many: each agent that joins without a join token leaves one.
pub async fn tidy(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("delete from join_token where expires_at < clock_timestamp() - make_interval(days => $1)")
        .bind(KNOWN_DAYS)
        .execute(connection)
        .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    cluster_id: Uuid,
    cluster: String,
    expired: bool,
    revoked: bool,
    claimed_key: Option<Vec<u8>>,
    instance_id: Option<Uuid>,
    refusals: Vec<String>,
}

const ROW: &str = "select t.id, t.cluster_id, c.name as cluster, t.expires_at <= clock_timestamp() as expired, \
        t.revoked_at is not null or c.state in ('Revoked', 'Removing') as revoked, t.claimed_key, t.instance_id, t.refusals \
    from join_token t join cluster c on c.id = t.cluster_id where t.hash = $1";

impl Row {
    fn claim(&self, shown: &Shown<'_>, new_instance: InstanceId) -> Claim {
        let cluster = self.cluster_id.into();
        let refused = |reason: Refusal| {
            let is_news = self.refusals.iter().all(|known| known != reason.as_str());
            Claim::Refused { cluster: Some(cluster), reason, is_news }
        };
        match (&self.claimed_key, self.instance_id) {
            _ if self.revoked => refused(Refusal::Revoked),
            _ if self.expired => refused(Refusal::Expired),
            _ if !shown.cluster.is_empty() && shown.cluster != self.cluster => refused(Refusal::OtherCluster),
            (Some(claimed), Some(instance)) if claimed == shown.key => {
                Claim::Granted { cluster, instance: instance.into(), first: false }
            }
            (Some(_), _) => refused(Refusal::Claimed),
            (None, _) => Claim::Granted { cluster, instance: new_instance, first: true },
        }
    }
}

const UNKNOWN: Claim = Claim::Refused { cluster: None, reason: Refusal::Unknown, is_news: false };

/// What using the token would come to. Nothing is locked or written: anybody may ask.
pub async fn look(connection: &mut PgConnection, shown: &Shown<'_>, new_instance: InstanceId) -> Result<Claim> {
    let row: Option<Row> = sqlx::query_as(ROW).bind(shown.hash).fetch_optional(connection).await?;
    Ok(row.map_or(UNKNOWN, |row| row.claim(shown, new_instance)))
}

/// Uses the token, or notes why not, if that is news. The row is locked, so that of two keys at once one wins.
pub async fn claim(connection: &mut PgConnection, shown: &Shown<'_>, new_instance: InstanceId) -> Result<Claim> {
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{ROW} for update of t")))
        .bind(shown.hash)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else { return Ok(UNKNOWN) };
    let claim = row.claim(shown, new_instance);
    match claim {
        Claim::Granted { first: true, instance, .. } => {
            sqlx::query("update join_token set claimed_key = $2, instance_id = $3 where id = $1")
                .bind(row.id)
                .bind(shown.key)
                .bind(instance.uuid())
                .execute(connection)
                .await?;
        }
        Claim::Refused { is_news: true, reason, .. } => {
            sqlx::query("update join_token set refusals = array_append(refusals, $2) where id = $1")
                .bind(row.id)
                .bind(reason.as_str())
                .execute(connection)
                .await?;
        }
        Claim::Granted { .. } | Claim::Refused { .. } => {}
    }
    Ok(claim)
}
