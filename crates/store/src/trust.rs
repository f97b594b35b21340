//! Who trusts which roots, and whose certificate chains to which: what tells whether the CA may be rotated on.
//!
//! Roots are known by the SHA-256 of their keys. Counted are the agents that may come: not those of revoked clusters, and not those whose
//! certificate ended so long ago that nobody renews it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::id::InstanceId;
use sqlx::PgConnection;

use crate::Result;

/// A replica that was not heard of for this long does not run any more.
pub const REPLICA_SILENCE_LIMIT: Duration = Duration::from_mins(3);

/// Names of clusters that are told of one kind.
pub const NAMES_MAX: usize = 20;

/// A replica.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Replica {
    /// Its name.
    pub replica: String,
    /// Of its own certificate.
    pub root: Option<Vec<u8>>,
    /// Those it trusts.
    pub roots: Vec<Vec<u8>>,
    /// When its certificate ends.
    pub not_after: DateTime<Utc>,
    /// How long that lives from when it was signed, in seconds, if that was noted.
    pub certificate_life_s: Option<i64>,
}

/// Of one root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// Agents that trust it.
    pub trusting: u64,
    /// Agents whose certificate chains to it.
    pub certificates: u64,
    /// Clusters of the agents that do not trust it, or do not say so: the first by name.
    pub without: Vec<String>,
    /// Clusters of the agents whose certificate chains to it, or to nobody knows which: the first by name.
    pub with: Vec<String>,
    /// How many those are.
    pub with_count: u64,
}

/// Notes what an agent shows and trusts, if that is news.
pub async fn note_agent(
    connection: &mut PgConnection,
    instance: InstanceId,
    root: Option<&[u8]>,
    roots: Option<&[Vec<u8>]>,
) -> Result<()> {
    sqlx::query(
        "update agent_certificate set root = $2, roots = $3 \
         where instance_id = $1 and (root is distinct from $2 or roots is distinct from $3)",
    )
    .bind(instance.uuid())
    .bind(root)
    .bind(roots)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes what a replica shows and trusts, and that it runs. Forgets replicas that do not.
pub async fn note_replica(connection: &mut PgConnection, replica: &Replica) -> Result<()> {
    sqlx::query(
        "with gone as (delete from replica_trust where replica <> $1 and seen_at < now() - make_interval(secs => $5)) \
         insert into replica_trust (replica, root, roots, not_after, certificate_life_s) values ($1, $2, $3, $4, $6) \
         on conflict (replica) do update set root = $2, roots = $3, not_after = $4, certificate_life_s = $6, seen_at = now()",
    )
    .bind(&replica.replica)
    .bind(&replica.root)
    .bind(&replica.roots)
    .bind(replica.not_after)
    .bind(REPLICA_SILENCE_LIMIT.as_secs_f64())
    .bind(replica.certificate_life_s)
    .execute(connection)
    .await?;
    Ok(())
}

/// A replica ends in order.
pub async fn forget_replica(connection: &mut PgConnection, replica: &str) -> Result<()> {
    sqlx::query("delete from replica_trust where replica = $1").bind(replica).execute(connection).await?;
    Ok(())
}

/// The replicas that run, by name.
pub async fn replicas(connection: &mut PgConnection) -> Result<Vec<Replica>> {
    Ok(sqlx::query_as(
        "select replica, root, roots, not_after, certificate_life_s from replica_trust \
         where seen_at >= now() - make_interval(secs => $1) order by replica",
    )
    .bind(REPLICA_SILENCE_LIMIT.as_secs_f64())
    .fetch_all(connection)
    .await?)
}

/// How many agents may come, and of each of these roots who trusts it and who needs it.
pub async fn count_agents(connection: &mut PgConnection, roots: &[Vec<u8>], grace: Duration) -> Result<(u64, Vec<Counted>)> {
    #[derive(sqlx::FromRow)]
    struct Row {
        trusting: i64,
        certificates: i64,
        with_count: i64,
        without: Option<Vec<String>>,
        with: Option<Vec<String>>,
        total: i64,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "with agent as ( \
             select c.name, a.root, a.roots from cluster c left join agent_certificate a on a.instance_id = c.instance_id \
             where c.instance_id is not null and c.state <> 'Revoked' \
               and (a.not_after is null or a.not_after + make_interval(secs => $2) >= now())) \
         select count(name) filter (where key = any(roots)) as trusting, \
                count(name) filter (where root = key) as certificates, \
                count(name) filter (where root is null or root = key) as with_count, \
                (array_agg(name order by name) filter (where name is not null and not coalesce(key = any(roots), false)))[:$3] as without, \
                (array_agg(name order by name) filter (where name is not null and (root is null or root = key)))[:$3] as \"with\", \
                count(name) as total \
         from unnest($1::bytea[]) with ordinality as asked(key, place) left join agent on true \
         group by place order by place",
    )
    .bind(roots)
    .bind(grace.as_secs_f64())
    .bind(i32::try_from(NAMES_MAX).unwrap_or(i32::MAX))
    .fetch_all(connection)
    .await?;
    let count = |n: i64| u64::try_from(n).unwrap_or_default();
    let total = rows.first().map_or(0, |row| count(row.total));
    let counted = |row: Row| Counted {
        trusting: count(row.trusting),
        certificates: count(row.certificates),
        with_count: count(row.with_count),
        without: row.without.unwrap_or_default(),
        with: row.with.unwrap_or_default(),
    };
    Ok((total, rows.into_iter().map(counted).collect()))
}
