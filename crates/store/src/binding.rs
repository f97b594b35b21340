//! Bindings and their items.

pub(crate) mod items;

use lockstep_core::access::Reach;
use lockstep_core::binding::{Binding, BindingSpec, DeletionPolicy, Item, SecretRef};
use lockstep_core::id::ProjectId;
use lockstep_core::label::Labels;
use lockstep_core::name::{ClusterName, ProjectName, SecretName};
use lockstep_core::revision::Seq;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::meta::{MetaRow, Registered, Written, seq, stored};
use crate::page::{Page, cut};
use crate::{Result, StoreError, secret};

/// A binding with its project's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingRecord {
    /// Whose it is.
    pub project: ProjectName,
    /// The binding.
    pub binding: Binding,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    meta: MetaRow,
    project: String,
    project_id: Uuid,
    spec: Json<BindingSpec>,
    spec_seq: i64,
}

impl TryFrom<Row> for Registered<BindingRecord> {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self> {
        let project = row.project.parse().map_err(|e| StoreError::corrupt("project")(&e))?;
        let mut registered = row.meta.with(());
        let binding =
            Binding { id: registered.id.into(), project: row.project_id.into(), spec: row.spec.0, spec_seq: seq(row.spec_seq) };
        Ok(Registered {
            spec: BindingRecord { project, binding },
            id: registered.id,
            name: std::mem::take(&mut registered.name),
            labels: registered.labels,
            annotations: registered.annotations,
            seq: registered.seq,
            created_at: registered.created_at,
        })
    }
}

const SELECT: &str =
    "select b.*, p.name as project from binding b join project p on p.id = b.project_id where b.deleted_at is null";

/// The binding of that name.
pub async fn get(connection: &mut PgConnection, name: &str) -> Result<Registered<BindingRecord>> {
    let row: Option<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} and b.name = $1"))).bind(name).fetch_optional(connection).await?;
    row.ok_or_else(|| StoreError::NotFound { kind: "binding", name: name.to_owned() })?.try_into()
}

/// One page.
pub async fn list(connection: &mut PgConnection, page: &Page) -> Result<(Vec<Registered<BindingRecord>>, Option<String>)> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{SELECT} and b.name > $1 and selected(b.labels, $2) and reached($4, p.name, null) order by b.name limit $3"
    )))
    .bind(page.after())
    .bind(Json(&page.selector))
    .bind(page.rows())
    .bind(Json(&page.reach))
    .fetch_all(connection)
    .await?;
    let bindings = rows.into_iter().map(TryInto::try_into).collect::<Result<_>>()?;
    Ok(cut(bindings, page.size(), |r: &Registered<_>| r.name.clone()))
}

/// All bindings, or those of a project, for the planner.
pub async fn of_project(connection: &mut PgConnection, project: Option<ProjectId>) -> Result<Vec<Binding>> {
    let rows: Vec<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} and ($1::uuid is null or b.project_id = $1) order by b.id")))
            .bind(project.map(ProjectId::uuid))
            .fetch_all(connection)
            .await?;
    rows.into_iter().map(|r| Registered::<BindingRecord>::try_from(r).map(|r| r.spec.binding)).collect()
}

/// The bindings that use a secret, by name: of projects within reach, and where the cluster with these labels is, of all. Of those that differ
/// by cluster the ones that would draw it in this one.
pub async fn of_secret(
    connection: &mut PgConnection,
    secret: &SecretRef,
    reach: &Reach,
    (cluster, labels): (&ClusterName, &Labels),
) -> Result<Vec<Registered<BindingRecord>>> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{SELECT} and reached($4, p.name, $5) and (b.by_cluster or exists (select from binding_item i join secret s on s.id = i.secret_id \
             join source so on so.id = s.source_id where i.binding_id = b.id and so.name = $1 and s.mount = $2 and s.path = $3)) \
         order by b.name"
    )))
    .bind(secret.source.as_str())
    .bind(secret.mount.as_str())
    .bind(secret.path.as_str())
    .bind(Json(reach))
    .bind(Json(labels))
    .fetch_all(connection)
    .await?;
    let mut bindings = rows.into_iter().map(TryInto::try_into).collect::<Result<Vec<Registered<BindingRecord>>>>()?;
    bindings.retain(|registered| {
        let delivered = &registered.spec.binding.spec.delivered;
        let drawn = |item: &Item| {
            let SecretRef { source, mount, path, .. } = &*item.secret.resolve(cluster);
            (source, mount, path) == (&secret.source, &secret.mount, &secret.path)
        };
        !delivered.is_by_cluster() || delivered.items.iter().any(drawn)
    });
    Ok(bindings)
}

/// The bindings whose target is a Secret of this name, in whichever namespaces, by name.
pub async fn of_secret_name(connection: &mut PgConnection, name: &SecretName) -> Result<Vec<(String, Binding)>> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{SELECT} and b.spec -> 'delivered' -> 'target' -> 'Secret' ->> 'name' = $1 order by b.name"
    )))
    .bind(name.as_str())
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|r| Registered::<BindingRecord>::try_from(r).map(|r| (r.name, r.spec.binding))).collect()
}

/// Registers a new binding, written by change `seq`. What differs by cluster is drawn by the planner, that asks where it is placed.
pub async fn insert(
    connection: &mut PgConnection,
    written: &Written,
    project: ProjectId,
    spec: &BindingSpec,
    seq: Seq,
) -> Result<Binding> {
    let id: Uuid = sqlx::query_scalar(
        "insert into binding (name, labels, annotations, project_id, spec, spec_seq, seq, by_cluster) \
         values ($1, $2, $3, $4, $5, $6, $6, $7) \
         returning id",
    )
    .bind(&written.name)
    .bind(Json(&written.labels))
    .bind(Json(&written.annotations))
    .bind(project.uuid())
    .bind(Json(spec))
    .bind(stored(seq))
    .bind(spec.delivered.is_by_cluster())
    .fetch_one(&mut *connection)
    .await?;
    let binding = Binding { id: id.into(), project, spec: spec.clone(), spec_seq: seq };
    if !spec.delivered.is_by_cluster() {
        items::write(connection, binding.id, &spec.delivered.items).await?;
    }
    Ok(binding)
}

/// Writes a binding that was respecified by change `seq`; its items as [`insert`] does.
pub async fn update(connection: &mut PgConnection, written: &Written, binding: &Binding, seq: Seq) -> Result<()> {
    sqlx::query(
        "update binding set labels = $2, annotations = $3, spec = $4, spec_seq = $5, seq = $6, by_cluster = $7 where id = $1",
    )
    .bind(binding.id.uuid())
    .bind(Json(&written.labels))
    .bind(Json(&written.annotations))
    .bind(Json(&binding.spec))
    .bind(stored(binding.spec_seq))
    .bind(stored(seq))
    .bind(binding.spec.delivered.is_by_cluster())
    .execute(&mut *connection)
    .await?;
    if binding.spec.delivered.is_by_cluster() {
        return Ok(());
    }
    let before = items::delete(&mut *connection, binding.id).await?;
    items::write(&mut *connection, binding.id, &binding.spec.delivered.items).await?;
    secret::unwatch(connection, &before).await
}

/// Deletes it for callers. The row stays until every cluster acked, the items go at once: its secrets need no watching
/// for it.
pub async fn delete(connection: &mut PgConnection, binding: &Binding, seq: Seq) -> Result<DeletionPolicy> {
    sqlx::query("update binding set deleted_at = clock_timestamp(), seq = $2 where id = $1")
        .bind(binding.id.uuid())
        .bind(stored(seq))
        .execute(&mut *connection)
        .await?;
    let before = items::delete(&mut *connection, binding.id).await?;
    secret::unwatch(connection, &before).await?;
    Ok(binding.spec.deletion_policy)
}
