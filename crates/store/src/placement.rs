//! Placements: the planner's answers. Written in the transaction of the change that they follow from, by binding and cluster: whoever locks
//! several of them does it in that order, so that no two wait for each other.

mod settle;
mod sync;

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::binding::{Binding, DeletionPolicy};
use lockstep_core::cluster::ClusterFacts;
use lockstep_core::grant::Grant;
use lockstep_core::id::{BindingId, ClusterId, ProjectId};
use lockstep_core::placement::{Placement, replan};
use lockstep_core::revision::Seq;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::binding::items::{self, Rows};
use crate::meta::{seq, stored};
use crate::page::{self, Page, cut};
use crate::{Result, binding, cluster, grant};

pub use sync::{Asked, SYNC_ASKED, asked_lately, sources, sync};

/// An answer as stored: the whole of it, and its reason in words for the status view.
#[derive(Serialize, Deserialize)]
pub(crate) struct Detail {
    pub(crate) placement: Placement,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

fn word(placement: &Placement) -> &'static str {
    match placement {
        Placement::Placed | Placement::PlacedWithin(_) => "Placed",
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
    let drawn = spec.ok().filter(|b| b.spec.delivered.is_by_cluster()).map(|b| drawn(b, &clusters, &recorded, &changed));
    let changed = of_binding(id, changed);
    write(&mut *connection, &changed, seq).await?;
    if let Some(drawn) = drawn {
        items::draw(&mut *connection, Rows::Written(id), drawn).await?;
    }
    settle::settle(connection, seq).await?;
    Ok(changed.len())
}

/// Plans every binding anew, or every binding of a project: a grant changed. For one cluster see [`replan_cluster`].
pub async fn replan_all(connection: &mut PgConnection, project: Option<ProjectId>, seq: Seq) -> Result<usize> {
    let clusters: Vec<ClusterFacts> = cluster::facts(connection).await?;
    let bindings = binding::of_project(connection, project).await?;
    let grants = grants(connection, &bindings).await?;
    let mut count = 0;
    for binding in bindings {
        let recorded = recorded(connection, binding.id).await?;
        let changed = replan(&recorded, Ok(&binding), clusters.iter(), &grants[&binding.project]);
        count += changed.len();
        let drawn = binding.spec.delivered.is_by_cluster().then(|| drawn(&binding, &clusters, &recorded, &changed));
        write(&mut *connection, &of_binding(binding.id, changed), seq).await?;
        if let Some(drawn) = drawn {
            items::draw(&mut *connection, Rows::Binding(binding.id), drawn).await?;
        }
    }
    Ok(count)
}

/// Plans every binding anew for one cluster: its labels or its state changed. What the other clusters hold does not depend on it.
pub async fn replan_cluster(connection: &mut PgConnection, cluster: ClusterId, seq: Seq) -> Result<usize> {
    let facts: Vec<ClusterFacts> = cluster::facts(connection).await?.into_iter().filter(|c| c.id == cluster).collect();
    let rows: Vec<RecordedRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{RECORDED} where cluster_id = $1")))
        .bind(cluster.uuid())
        .fetch_all(&mut *connection)
        .await?;
    let recorded: BTreeMap<BindingId, Placement> = rows.into_iter().map(|r| (r.binding_id.into(), r.placement())).collect();
    let bindings = binding::of_project(connection, None).await?;
    let grants = grants(connection, &bindings).await?;
    let (mut changed, mut draws) = (Vec::new(), Vec::new());
    for binding in bindings {
        let recorded = recorded.get(&binding.id).map(|p| (cluster, p.clone())).into_iter().collect();
        let answers = replan(&recorded, Ok(&binding), facts.iter(), &grants[&binding.project]);
        if binding.spec.delivered.is_by_cluster() {
            draws.extend(drawn(&binding, &facts, &recorded, &answers));
        }
        changed.extend(answers.into_values().map(|answer| (binding.id, cluster, answer)));
    }
    write(&mut *connection, &changed, seq).await?;
    items::draw(connection, Rows::Cluster(cluster), draws).await?;
    Ok(changed.len())
}

/// Takes all of a cluster's placements back, whatever their bindings say: the cluster is being removed. What waits already gets this policy
/// too. Returns how many answers changed.
pub async fn take_back(connection: &mut PgConnection, cluster: ClusterId, policy: DeletionPolicy, seq: Seq) -> Result<usize> {
    let rows: Vec<RecordedRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{RECORDED} where cluster_id = $1")))
        .bind(cluster.uuid())
        .fetch_all(&mut *connection)
        .await?;
    let removed = Placement::Removed(policy);
    let recorded = rows.into_iter().map(|r| (BindingId::from(r.binding_id), r.placement()));
    let changed: Vec<_> =
        recorded.filter(|(_, answer)| *answer != removed).map(|(binding, _)| (binding, cluster, removed.clone())).collect();
    write(&mut *connection, &changed, seq).await?;
    items::draw(connection, Rows::Cluster(cluster), Vec::new()).await?;
    Ok(changed.len())
}

/// What is drawn of a binding that differs by cluster: in each of these in which it is placed.
fn drawn(
    binding: &Binding,
    clusters: &[ClusterFacts],
    recorded: &BTreeMap<ClusterId, Placement>,
    changed: &BTreeMap<ClusterId, Placement>,
) -> Vec<items::Drawn> {
    let is_placed = |cluster: &&ClusterFacts| {
        let answer = changed.get(&cluster.id).or_else(|| recorded.get(&cluster.id));
        matches!(answer, Some(Placement::Placed | Placement::PlacedWithin(_)))
    };
    clusters.iter().filter(is_placed).flat_map(|cluster| items::drawn(binding, cluster)).collect()
}

/// The grants of each binding's project.
async fn grants(connection: &mut PgConnection, bindings: &[Binding]) -> Result<BTreeMap<ProjectId, Vec<Grant>>> {
    let mut grants = BTreeMap::new();
    for project in bindings.iter().map(|b| b.project).collect::<BTreeSet<_>>() {
        grants.insert(project, grant::of_project(connection, project).await?);
    }
    Ok(grants)
}

/// An answer on record. Nearly all are plainly `Placed`, so that there is no detail to be read.
#[derive(sqlx::FromRow)]
struct RecordedRow {
    binding_id: Uuid,
    cluster_id: Uuid,
    detail: Option<Json<Detail>>,
}

impl RecordedRow {
    fn placement(self) -> Placement {
        self.detail.map_or(Placement::Placed, |detail| detail.0.placement)
    }
}

const RECORDED: &str = "select binding_id, cluster_id, case when detail -> 'placement' <> '\"Placed\"' then detail end as detail \
    from placement";

async fn recorded(connection: &mut PgConnection, id: BindingId) -> Result<BTreeMap<ClusterId, Placement>> {
    let rows: Vec<RecordedRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{RECORDED} where binding_id = $1")))
        .bind(id.uuid())
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|r| (r.cluster_id.into(), r.placement())).collect())
}

async fn write(connection: &mut PgConnection, changed: &[(BindingId, ClusterId, Placement)], at: Seq) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let detail = |p: &Placement| {
        let text = match p {
            Placement::Denied(denial) => Some(denial.to_string()),
            Placement::Placed | Placement::PlacedWithin(_) | Placement::Removed(_) => None,
        };
        Json(Detail { placement: p.clone(), text })
    };
    sqlx::query(
        "insert into placement (binding_id, cluster_id, answer, detail, seq) \
         select b, c, a, d, $5 from unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[]) as x(b, c, a, d) order by b, c \
         on conflict (binding_id, cluster_id) do update set answer = excluded.answer, detail = excluded.detail, seq = excluded.seq",
    )
    .bind(changed.iter().map(|(binding, _, _)| binding.uuid()).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, cluster, _)| cluster.uuid()).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, _, answer)| word(answer)).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, _, answer)| detail(answer)).collect::<Vec<_>>())
    .bind(stored(at))
    .execute(connection)
    .await?;
    Ok(())
}

/// The clusters in which a binding is placed.
pub async fn placed(connection: &mut PgConnection, id: BindingId) -> Result<BTreeSet<ClusterId>> {
    let ids: Vec<Uuid> = sqlx::query_scalar("select cluster_id from placement where binding_id = $1 and answer = 'Placed'")
        .bind(id.uuid())
        .fetch_all(connection)
        .await?;
    Ok(ids.into_iter().map(Into::into).collect())
}

fn of_binding(id: BindingId, answers: BTreeMap<ClusterId, Placement>) -> Vec<(BindingId, ClusterId, Placement)> {
    answers.into_iter().map(|(cluster, answer)| (id, cluster, answer)).collect()
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

/// One page, by cluster and binding name. A deleted binding's tombstone may bear the same names as a placement: its id is in the key.
pub async fn list(
    connection: &mut PgConnection,
    cluster: Option<&str>,
    binding: Option<&str>,
    page: &Page,
) -> Result<(Vec<Listed>, Option<String>)> {
    let [after_cluster, after_binding, after_id] = page::parts(page.after());
    let rows: Vec<(String, String, Uuid, Json<Detail>, i64)> = sqlx::query_as(
        "select c.name, b.name, b.id, p.detail, p.seq from placement p \
         join cluster c on c.id = p.cluster_id join binding b on b.id = p.binding_id join project pr on pr.id = b.project_id \
         where ($1::text is null or c.name = $1) and ($2::text is null or b.name = $2) \
           and c.name >= $3 and (c.name, b.name, b.id) > ($3, $4, $5) \
           and reached($7, pr.name, c.labels) order by c.name, b.name, b.id limit $6",
    )
    .bind(cluster)
    .bind(binding)
    .bind(after_cluster)
    .bind(after_binding)
    .bind(after_id.parse().unwrap_or(Uuid::nil()))
    .bind(page.rows())
    .bind(Json(&page.reach))
    .fetch_all(connection)
    .await?;
    let one = |(cluster, binding, id, detail, at): (String, String, Uuid, Json<Detail>, i64)| {
        let key = format!("{cluster}/{binding}/{id}");
        let answer = word(&detail.0.placement);
        (key, Listed { cluster, binding, answer, reason: detail.0.text, seq: seq(at) })
    };
    let (listed, next) = cut(rows.into_iter().map(one).collect(), page.size(), |(key, _)| key.clone());
    Ok((listed.into_iter().map(|(_, l)| l).collect(), next))
}
