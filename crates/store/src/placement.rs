//! Placements: the planner's answers. Written in the transaction of the change that they follow from.

use std::collections::BTreeMap;

use lockstep_core::binding::{Binding, DeletionPolicy};
use lockstep_core::cluster::ClusterFacts;
use lockstep_core::id::{BindingId, ClusterId, ProjectId};
use lockstep_core::placement::{Placement, replan};
use lockstep_core::revision::Seq;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::meta::{seq, stored};
use crate::page::{Page, cut};
use crate::{Result, binding, cluster, grant};

/// An answer as stored: the whole of it, and its reason in words for the status view.
#[derive(Serialize, Deserialize)]
pub(crate) struct Detail {
    pub(crate) placement: Placement,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

fn word(placement: &Placement) -> &'static str {
    match placement {
        Placement::Placed => "Placed",
        Placement::Denied(_) => "Denied",
        Placement::Removed(_) => "Removed",
    }
}

/// Plans one binding anew. `spec` is `Err` with its policy once it is deleted. Returns how many answers changed.
pub async fn replan_binding(
    connection: &mut PgConnection,
    id: BindingId,
    spec: std::result::Result<&Binding, DeletionPolicy>,
    seq: Seq,
) -> Result<usize> {
    let clusters = cluster::facts(connection).await?;
    let grants = match spec {
        Ok(binding) => grant::of_project(connection, binding.project).await?,
        Err(_) => Vec::new(),
    };
    let recorded = recorded(connection, id).await?;
    let changed = replan(&recorded, spec, clusters.iter(), &grants);
    write(connection, id, &changed, seq).await?;
    Ok(changed.len())
}

/// Plans every binding anew, or every binding of a project: a grant, or a cluster's labels or state changed.
pub async fn replan_all(connection: &mut PgConnection, project: Option<ProjectId>, seq: Seq) -> Result<usize> {
    let clusters: Vec<ClusterFacts> = cluster::facts(connection).await?;
    let mut grants = BTreeMap::new();
    let mut count = 0;
    for binding in binding::of_project(connection, project).await? {
        if !grants.contains_key(&binding.project) {
            grants.insert(binding.project, grant::of_project(connection, binding.project).await?);
        }
        let recorded = recorded(connection, binding.id).await?;
        let changed = replan(&recorded, Ok(&binding), clusters.iter(), &grants[&binding.project]);
        write(connection, binding.id, &changed, seq).await?;
        count += changed.len();
    }
    Ok(count)
}

async fn recorded(connection: &mut PgConnection, id: BindingId) -> Result<BTreeMap<ClusterId, Placement>> {
    let rows: Vec<(Uuid, Json<Detail>)> = sqlx::query_as("select cluster_id, detail from placement where binding_id = $1")
        .bind(id.uuid())
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|(cluster, detail)| (cluster.into(), detail.0.placement)).collect())
}

async fn write(connection: &mut PgConnection, id: BindingId, changed: &BTreeMap<ClusterId, Placement>, at: Seq) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let clusters: Vec<Uuid> = changed.keys().map(|c| c.uuid()).collect();
    let answers: Vec<&str> = changed.values().map(word).collect();
    let detail = |p: &Placement| {
        let text = match p {
            Placement::Denied(denial) => Some(denial.to_string()),
            Placement::Placed | Placement::Removed(_) => None,
        };
        Json(Detail { placement: p.clone(), text })
    };
    let details: Vec<Json<Detail>> = changed.values().map(detail).collect();
    sqlx::query(
        "insert into placement (binding_id, cluster_id, answer, detail, seq) \
         select $1, c, a, d, $5 from unnest($2::uuid[], $3::text[], $4::jsonb[]) as x(c, a, d) \
         on conflict (binding_id, cluster_id) do update set answer = excluded.answer, detail = excluded.detail, seq = excluded.seq",
    )
    .bind(id.uuid())
    .bind(clusters)
    .bind(answers)
    .bind(details)
    .bind(stored(at))
    .execute(connection)
    .await?;
    Ok(())
}

/// A placement as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The cluster's name.
    pub cluster: String,
    /// The binding's name.
    pub binding: String,
    /// `Placed`, `Denied` or `Removed`.
    pub answer: &'static str,
    /// Why it is not placed.
    pub reason: Option<String>,
    /// The change that gave this answer.
    pub seq: Seq,
}

/// One page, by cluster and binding name.
pub async fn list(
    connection: &mut PgConnection,
    cluster: Option<&str>,
    binding: Option<&str>,
    page: &Page,
) -> Result<(Vec<Listed>, Option<String>)> {
    let rows: Vec<(String, String, Json<Detail>, i64)> = sqlx::query_as(
        "select c.name, b.name, p.detail, p.seq from placement p \
         join cluster c on c.id = p.cluster_id join binding b on b.id = p.binding_id \
         where ($1::text is null or c.name = $1) and ($2::text is null or b.name = $2) and c.name || '/' || b.name > $3 \
         order by c.name || '/' || b.name limit $4",
    )
    .bind(cluster)
    .bind(binding)
    .bind(page.after())
    .bind(page.rows())
    .fetch_all(connection)
    .await?;
    let one = |(cluster, binding, detail, at): (String, String, Json<Detail>, i64)| Listed {
        cluster,
        binding,
        answer: word(&detail.0.placement),
        reason: detail.0.text,
        seq: seq(at),
    };
    Ok(cut(rows.into_iter().map(one).collect(), page.limit, |l| format!("{}/{}", l.cluster, l.binding)))
}
