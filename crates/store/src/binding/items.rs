//! The rows of a binding's items: once, or where some differ by cluster once for each cluster in which it is placed.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::binding::{Binding, Item, SecretRef};
use lockstep_core::cluster::ClusterFacts;
use lockstep_core::id::{BindingId, ClusterId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Result, StoreError, secret};

/// An item as one cluster draws it.
#[derive(Debug)]
pub(crate) struct Drawn {
    binding: BindingId,
    cluster: ClusterId,
    position: i32,
    secret: SecretRef,
    pin: Option<i64>,
}

/// Whose rows are written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rows {
    /// Of a binding that is being written: what cannot be drawn is refused.
    Written(BindingId),
    /// Of a binding that stays as it is.
    Binding(BindingId),
    /// Of a cluster, of all bindings that differ by cluster.
    Cluster(ClusterId),
}

/// The items of a binding as this cluster draws them.
pub(crate) fn drawn<'a>(binding: &'a Binding, cluster: &'a ClusterFacts) -> impl Iterator<Item = Drawn> + 'a {
    (0_i32..).zip(&binding.spec.delivered.items).map(|(position, item)| Drawn {
        binding: binding.id,
        cluster: cluster.id,
        position,
        secret: item.secret.resolve(&cluster.name).into_owned(),
        pin: pin(item),
    })
}

fn pin(item: &Item) -> Option<i64> {
    item.pin.map(|p| p.get().cast_signed())
}

/// Writes the items of a binding that draws the same in all clusters.
pub(super) async fn write(connection: &mut PgConnection, binding: BindingId, items: &[Item]) -> Result<()> {
    for (position, item) in (0_i32..).zip(items) {
        let Some(drawn) = item.secret.everywhere() else { continue };
        let secret = secret::ensure(connection, drawn).await?;
        sqlx::query("insert into binding_item (binding_id, position, secret_id, pin) values ($1, $2, $3, $4)")
            .bind(binding.uuid())
            .bind(position)
            .bind(secret.uuid())
            .bind(pin(item))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Deletes all items of a binding; answers with their secrets.
pub(super) async fn delete(connection: &mut PgConnection, binding: BindingId) -> Result<Vec<Uuid>> {
    let deleted = sqlx::query_scalar("delete from binding_item where binding_id = $1 returning secret_id");
    Ok(deleted.bind(binding.uuid()).fetch_all(connection).await?)
}

/// Makes these the rows there are. Secrets that nobody draws any more are not watched from now on.
///
/// A secret that another binding draws from another engine leaves its cluster without rows of this binding, so that nothing is sent there and
/// the status says why: whoever registers a cluster or changes a grant is not told what two teams disagree on.
pub(crate) async fn draw(connection: &mut PgConnection, rows: Rows, mut drawn: Vec<Drawn>) -> Result<()> {
    let mut before = match rows {
        // Its own rows do not keep it from another engine.
        Rows::Written(binding) => delete(&mut *connection, binding).await?,
        Rows::Binding(_) | Rows::Cluster(_) => Vec::new(),
    };
    let secrets: BTreeSet<&SecretRef> = drawn.iter().map(|d| &d.secret).collect();
    let mut ids = BTreeMap::new();
    for (secret, id) in secret::ensure_all(&mut *connection, &secrets).await? {
        match (id, rows) {
            (Ok(id), _) => drop(ids.insert(secret, id)),
            (Err(error), Rows::Written(_)) => return Err(error),
            (Err(error), Rows::Binding(_) | Rows::Cluster(_)) => {
                tracing::warn!(%error, "what differs by cluster cannot be drawn");
            }
        }
    }
    let twice = drawn_twice(&ids);
    if let (Rows::Written(binding), Some(other)) = (rows, twice.values().next()) {
        let name =
            sqlx::query_scalar("select name from binding where id = $1").bind(binding.uuid()).fetch_one(connection).await?;
        let SecretRef { source, engine, mount, path } = other;
        let secret = format!("{source} {mount}/{path}");
        return Err(StoreError::OtherEngine { secret, engine: engine.as_str().to_owned(), binding: name });
    }
    ids.retain(|_, id| !twice.contains_key(id));
    let unsettled: BTreeSet<(BindingId, ClusterId)> =
        drawn.iter().filter(|d| !ids.contains_key(&d.secret)).map(|d| (d.binding, d.cluster)).collect();
    drawn.retain(|d| !unsettled.contains(&(d.binding, d.cluster)));
    before.extend(keep(&mut *connection, rows, &drawn, &ids).await?);
    secret::unwatch(connection, &before).await
}

/// Secrets that are drawn from two engines at once, as one of the two: where one item's pattern meets another item's path.
fn drawn_twice(ids: &BTreeMap<SecretRef, Uuid>) -> BTreeMap<Uuid, SecretRef> {
    let mut first = BTreeMap::new();
    ids.iter().filter_map(|(secret, id)| Some((*id, first.insert(*id, secret)?.clone()))).collect()
}

/// Deletes the rows that are not among these, and writes those of these that are not there. Answers with the secrets of what it deleted.
async fn keep(connection: &mut PgConnection, rows: Rows, drawn: &[Drawn], ids: &BTreeMap<SecretRef, Uuid>) -> Result<Vec<Uuid>> {
    const DRAWN: &str =
        "unnest($1::uuid[], $2::uuid[], $3::int[], $4::uuid[], $5::bigint[]) as n(binding, cluster, place, secret, pin)";
    let bindings: Vec<Uuid> = drawn.iter().map(|d| d.binding.uuid()).collect();
    let clusters: Vec<Uuid> = drawn.iter().map(|d| d.cluster.uuid()).collect();
    let places: Vec<i32> = drawn.iter().map(|d| d.position).collect();
    let secrets: Vec<Uuid> = drawn.iter().filter_map(|d| ids.get(&d.secret).copied()).collect();
    let pins: Vec<Option<i64>> = drawn.iter().map(|d| d.pin).collect();
    let (column, of) = match rows {
        Rows::Written(binding) | Rows::Binding(binding) => ("binding_id", binding.uuid()),
        Rows::Cluster(cluster) => ("cluster_id", cluster.uuid()),
    };
    let gone: Vec<Uuid> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "delete from binding_item i where {column} = $6 and not exists (select from {DRAWN} where n.binding = i.binding_id \
             and n.cluster = i.cluster_id and n.place = i.position and n.secret = i.secret_id and n.pin is not distinct from i.pin) \
         returning secret_id"
    )))
    .bind(&bindings)
    .bind(&clusters)
    .bind(&places)
    .bind(&secrets)
    .bind(&pins)
    .bind(of)
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "insert into binding_item (binding_id, cluster_id, position, secret_id, pin) \
         select binding, cluster, place, secret, pin from {DRAWN} on conflict do nothing"
    )))
    .bind(bindings)
    .bind(clusters)
    .bind(places)
    .bind(secrets)
    .bind(pins)
    .execute(connection)
    .await?;
    Ok(gone)
}
