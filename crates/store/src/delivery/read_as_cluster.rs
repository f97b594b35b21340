//! What a cluster reads for itself: sources say so.

use lockstep_core::engine::Engine;
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::name::SourceName;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Result, StoreError};

/// A secret of a binding that is placed in a cluster, at a source that is read as the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadAsCluster {
    /// The binding.
    pub binding: BindingId,
    /// The source.
    pub source: SourceName,
    /// What the secret is drawn from.
    pub engine: Engine,
    /// The engine's mount.
    pub mount: KvMount,
    /// The path below it.
    pub path: KvPath,
    /// Whether the binding's delivery is on record as denied by Vault.
    pub is_denied: bool,
}

/// All of a cluster's. Where no source is read so, that is all that is asked: it is read whenever an agent connects.
pub async fn read_as_cluster(connection: &mut PgConnection, cluster: ClusterId) -> Result<Vec<ReadAsCluster>> {
    let rows: Vec<(Uuid, String, String, String, String, bool)> = sqlx::query_as(
        "select p.binding_id, o.name, s.engine, s.mount, s.path, coalesce(l.outcome = 'Denied', false) \
         from placement p join binding_item i on i.binding_id = p.binding_id and (i.cluster_id is null or i.cluster_id = p.cluster_id) \
         join secret s on s.id = i.secret_id \
         join source o on o.id = s.source_id \
         left join delivery l on l.binding_id = p.binding_id and l.cluster_id = p.cluster_id \
         where p.cluster_id = $1 and p.answer = 'Placed' and o.spec -> 'read_as' ? 'Cluster' \
           and exists (select from source where spec -> 'read_as' ? 'Cluster') \
         order by o.name, p.binding_id, i.position",
    )
    .bind(cluster.uuid())
    .fetch_all(connection)
    .await?;
    let corrupt = StoreError::corrupt("secret");
    let one = |(binding, source, engine, mount, path, is_denied): (Uuid, String, String, String, String, bool)| {
        Ok(ReadAsCluster {
            binding: binding.into(),
            source: source.parse().map_err(|e| corrupt(&e))?,
            engine: Engine::from_word(&engine).ok_or_else(|| corrupt(&engine))?,
            mount: mount.parse().map_err(|e| corrupt(&e))?,
            path: path.parse().map_err(|e| corrupt(&e))?,
            is_denied,
        })
    };
    rows.into_iter().map(one).collect()
}
