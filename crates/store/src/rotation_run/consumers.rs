//! Who uses what is rotated. Read from the view that everybody is shown, so that a run waits for what people see.

use lockstep_core::binding::SecretRef;
use lockstep_core::delivery::RestartProgress;
use lockstep_core::rotation::consumer::Consumer;
use lockstep_core::version::VersionNumber;
use serde::Deserialize;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::{Result, StoreError};

#[derive(sqlx::FromRow)]
struct Row {
    cluster: String,
    binding: String,
    state: String,
    is_online: bool,
    has: Option<i64>,
    wants: Option<i64>,
    restart: Option<Json<Restart>>,
    restarts: bool,
    applied_epoch: Option<i64>,
    applied_seq: Option<i64>,
    cause: Option<String>,
}

#[derive(Deserialize)]
struct Restart {
    epoch: i64,
    seq: i64,
    #[serde(flatten)]
    progress: RestartProgress,
}

/// Every placement of a binding that draws from the secret and follows it. A pinned item does not: what is rotated does not reach it.
pub async fn consumers(connection: &mut PgConnection, secret: &SecretRef) -> Result<Vec<Consumer>> {
    let rows: Vec<Row> = sqlx::query_as(
        "select d.cluster, d.binding, c.state, n.cluster_id is not null as is_online, \
             (v.item ->> 'applied')::bigint as has, (v.item ->> 'desired')::bigint as wants, \
             d.restart, b.spec -> 'delivered' -> 'restart' is distinct from '\"None\"' as restarts, \
             d.applied_epoch, d.applied_seq, d.cause \
         from secret s join source so on so.id = s.source_id \
         join binding_item bi on bi.secret_id = s.id and bi.pin is null \
         join binding b on b.id = bi.binding_id and b.deleted_at is null \
             and b.spec -> 'delivered' ->> 'mode' is distinct from 'Observe' \
         join delivery_status d on d.binding_id = b.id and (bi.cluster_id is null or bi.cluster_id = d.cluster_id) \
         join placement p on p.binding_id = d.binding_id and p.cluster_id = d.cluster_id and p.answer = 'Placed' \
         join cluster c on c.id = d.cluster_id \
         left join session n on n.cluster_id = d.cluster_id \
         cross join lateral (select d.versions -> bi.position as item) v \
         where so.name = $1 and s.mount = $2 and s.path = $3 order by d.cluster, d.binding",
    )
    .bind(secret.source.as_str())
    .bind(secret.mount.as_str())
    .bind(secret.path.as_str())
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

impl TryFrom<Row> for Consumer {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self> {
        let number = |number: Option<i64>| number.and_then(|number| VersionNumber::new(number.cast_unsigned()));
        let health = health(&row);
        Ok(Self {
            state: row.state.parse().map_err(|e| StoreError::corrupt("cluster")(&e))?,
            is_online: row.is_online,
            has: number(row.has),
            wants: number(row.wants),
            is_healthy: health.is_ok(),
            // A delivery's own cause says more than how its restarts go.
            cause: row.cause.or(health.err()),
            cluster: row.cluster,
            binding: row.binding,
        })
    }
}

/// Whether the workloads that restart with what the cluster has have finished; else why not.
fn health(row: &Row) -> std::result::Result<(), String> {
    if !row.restarts {
        return Ok(());
    }
    let Some(Json(restart)) = &row.restart else { return Err("its restarts were not reported yet".to_owned()) };
    if (Some(restart.epoch), Some(restart.seq)) < (row.applied_epoch, row.applied_seq) {
        return Err("its restarts were not reported yet".to_owned());
    }
    let progress = &restart.progress;
    match progress.stuck.first() {
        Some(stuck) => Err(stuck.clone()),
        None if progress.healthy < progress.total => {
            Err(format!("{} of {} workloads restarted and healthy", progress.healthy, progress.total))
        }
        None => Ok(()),
    }
}
