//! How the deliveries of each cluster stand, for the metrics: in one statement for all.

use sqlx::PgConnection;

use crate::Result;

/// Those of one cluster that have the same status.
#[derive(Debug, Clone, PartialEq)]
pub struct ByCluster {
    /// Where.
    pub cluster: String,
    /// Which.
    pub status: String,
    /// How many.
    pub deliveries: u64,
    /// How long, in seconds, the oldest change is in the registry that one of them is to bring and was not confirmed; `None`: there is none.
    pub oldest_s: Option<f64>,
}

/// Of a delivery that is not in step the oldest change it lacks: the first version of its secrets, or the spec or placement, since what was
/// confirmed. The newest alone would say too little: a secret that changes each minute would never seem late. What was never confirmed waits since
/// it was placed, whatever its secrets' age; and where the history was cut, numbers from before say nothing.
const BY_CLUSTER: &str = "with standing as materialized ( \
        select d.cluster, d.status, case when d.status not in ('InSync', 'Denied', 'Paused') \
                and (d.applied_epoch, d.applied_seq) is distinct from (d.desired_epoch, d.desired_seq) then coalesce( \
            case when d.applied_seq is null then (select p.seq from placement p \
                    where p.binding_id = d.binding_id and p.cluster_id = d.cluster_id) \
                when d.applied_epoch = d.desired_epoch then least( \
                    (select min(v.seq) from binding_item i join version v on v.secret_id = i.secret_id \
                     where i.binding_id = d.binding_id and (i.cluster_id is null or i.cluster_id = d.cluster_id) and i.pin is null and v.seq > d.applied_seq and v.seq <= d.desired_seq), \
                    (select b.spec_seq from binding b where b.id = d.binding_id and b.spec_seq > d.applied_seq), \
                    (select p.seq from placement p where p.binding_id = d.binding_id and p.cluster_id = d.cluster_id \
                     and p.seq > d.applied_seq)) end, \
            d.desired_seq) end as lacks \
        from delivery_status d) \
    select s.cluster, s.status, count(*), \
        max(extract(epoch from clock_timestamp() - c.at))::float8 as oldest_s \
    from standing s left join change c on c.seq = s.lacks group by s.cluster, s.status";

/// How the deliveries of each cluster stand. A status that none has is absent.
pub async fn by_cluster(connection: &mut PgConnection) -> Result<Vec<ByCluster>> {
    let rows: Vec<(String, String, i64, Option<f64>)> = sqlx::query_as(BY_CLUSTER).fetch_all(connection).await?;
    let one = |(cluster, status, deliveries, oldest_s): (String, String, i64, Option<f64>)| ByCluster {
        cluster,
        status,
        deliveries: deliveries.cast_unsigned(),
        // The change may be dated by a clock that was set back since.
        oldest_s: oldest_s.map(|s| s.max(0.0)),
    };
    Ok(rows.into_iter().map(one).collect())
}
