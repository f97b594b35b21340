//! Which clusters have which version of one secret.

use chrono::{DateTime, Utc};
use lockstep_core::delivery::{DeliveryStatus, RestartProgress};
use lockstep_core::id::SecretId;
use lockstep_core::revision::Revision;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::listed::{Restart, revision};
use crate::meta::seq;
use crate::page::{self, Page, cut};
use crate::{Result, StoreError};

/// What one cluster has of a secret through one binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The cluster's name.
    pub cluster: String,
    /// The binding's name.
    pub binding: String,
    /// The project's name.
    pub project: String,
    /// The version it has; `None`: none, or nobody knows which.
    pub version: Option<u64>,
    /// Whether that version is of a life of the path that has ended: its numbers began anew since.
    pub former_life: bool,
    /// The version it should have.
    pub desired: Option<u64>,
    /// The revision that it confirmed last.
    pub applied: Option<Revision>,
    /// When.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// How the delivery stands; `None`: the binding does not deliver the secret there any more, and the agent did not yet confirm that.
    pub status: Option<DeliveryStatus>,
    /// Why.
    pub cause: Option<String>,
    /// Whether what has the content is restarted for new content.
    pub restarts: bool,
    /// How that goes, and which revision it follows from.
    pub restart: Option<(Revision, RestartProgress)>,
}

#[derive(sqlx::FromRow)]
struct Row {
    binding_id: Uuid,
    cluster: String,
    binding: String,
    project: String,
    version: Option<i64>,
    former_life: bool,
    desired: Option<i64>,
    applied_epoch: Option<i64>,
    applied_seq: Option<i64>,
    confirmed_at: Option<DateTime<Utc>>,
    status: Option<String>,
    cause: Option<String>,
    restarts: bool,
    restart: Option<Json<Restart>>,
}

/// First whom it concerns, by keys; only then how those stand. Whom it concerns: where a binding that uses the secret is placed, and where an
/// agent confirmed a version of it and did not yet confirm that it gave it up. Each by an index of its own: with `or` all placements were looked at.
const HOLDERS: &str = "\
with asked as materialized (
    select s.id, s.incarnation_seq, so.name as source, s.mount, s.path
    from secret s join source so on so.id = s.source_id where s.id = $1
), concerned as materialized (
    select p.binding_id, p.cluster_id, p.answer <> 'Removed' and exists (
        select from binding_item i where i.binding_id = p.binding_id and i.secret_id = $1
            and (i.cluster_id is null or i.cluster_id = p.cluster_id)) as delivers,
        l.applied_versions[array_position(l.applied_secrets, $1)] as recorded, l.applied_digest is not null as has_some,
        l.applied_epoch, l.applied_seq, l.applied_at
    from (
        select p.binding_id, p.cluster_id from placement p
        where p.binding_id in (select i.binding_id from binding_item i where i.secret_id = $1)
        union
        select l.binding_id, l.cluster_id from delivery l where l.applied_secrets @> array[$1] and l.applied_digest is not null
    ) k
    join placement p on p.binding_id = k.binding_id and p.cluster_id = k.cluster_id
    left join delivery l on l.binding_id = p.binding_id and l.cluster_id = p.cluster_id
), held as (
    select h.*, d.status, d.cause, d.restart, v.desired,
        case when not h.has_some then null when h.delivers then v.applied else h.recorded end as version
    from concerned h
    left join delivery_status d on h.delivers and d.binding_id = h.binding_id and d.cluster_id = h.cluster_id
    left join lateral (
        select (x ->> 'applied')::bigint as applied, (x ->> 'desired')::bigint as desired
        from json_array_elements(d.versions) x, asked
        where x ->> 'source' = asked.source and x ->> 'mount' = asked.mount and x ->> 'path' = asked.path limit 1
    ) v on true
)
select h.binding_id, c.name as cluster, b.name as binding, pr.name as project, h.version,
    (h.version is not null and h.applied_seq < asked.incarnation_seq) as former_life, h.desired,
    h.applied_epoch, h.applied_seq, h.applied_at as confirmed_at, h.status, h.cause,
    (b.spec -> 'delivered' -> 'restart' is distinct from '\"None\"') as restarts, h.restart
from held h cross join asked
join cluster c on c.id = h.cluster_id join binding b on b.id = h.binding_id join project pr on pr.id = b.project_id
where (h.delivers or h.version is not null) and ($2::bigint is null or h.version = $2)
  and c.name >= $3 and (c.name, b.name, b.id) > ($3, $4, $5) and reached($6, pr.name, c.labels)
order by c.name, b.name, b.id limit $7";

/// One page, by cluster and binding name; of one version only, if it is said. A deleted binding's tombstone may bear the same names as a
/// placement: its id is in the key.
pub async fn holders(
    connection: &mut PgConnection,
    secret: SecretId,
    version: Option<u64>,
    page: &Page,
) -> Result<(Vec<Holder>, Option<String>)> {
    let [after_cluster, after_binding, after_id] = page::parts(page.after());
    let rows: Vec<Row> = sqlx::query_as(HOLDERS)
        .bind(secret.uuid())
        .bind(version.map(|v| i64::try_from(v).unwrap_or(i64::MAX)))
        .bind(after_cluster)
        .bind(after_binding)
        .bind(after_id.parse().unwrap_or(Uuid::nil()))
        .bind(Json(&page.reach))
        .bind(page.rows())
        .fetch_all(connection)
        .await?;
    let (rows, next) = cut(rows, page.size(), |r| format!("{}/{}/{}", r.cluster, r.binding, r.binding_id));
    Ok((rows.into_iter().map(TryInto::try_into).collect::<Result<_>>()?, next))
}

impl TryFrom<Row> for Holder {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self> {
        let status = row.status.as_deref().map(str::parse::<DeliveryStatus>).transpose();
        Ok(Self {
            status: status.map_err(|e| StoreError::corrupt("delivery_status")(&e))?,
            cluster: row.cluster,
            binding: row.binding,
            project: row.project,
            version: row.version.map(|v| seq(v).get()),
            former_life: row.former_life,
            desired: row.desired.map(|v| seq(v).get()),
            applied: row.applied_epoch.zip(row.applied_seq).map(|(epoch, at)| revision(epoch, at)),
            confirmed_at: row.confirmed_at,
            cause: row.cause,
            restarts: row.restarts,
            restart: row.restart.map(|Json(restart)| restart.parts()),
        })
    }
}
