//! A secret by name, as an item names it.

use std::collections::BTreeSet;

use lockstep_core::binding::SecretRef;
use lockstep_core::id::SecretId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Result, StoreError};

/// The id of the secret by name; recorded as unseen if it is new. The source must be registered. One that is known as drawn from another
/// engine begins anew as this one, unless a binding still uses it.
pub async fn ensure(connection: &mut PgConnection, secret: &SecretRef) -> Result<SecretId> {
    // The update is what makes a conflicting insert return the row.
    let found: Option<(Uuid, String)> = sqlx::query_as(
        "insert into secret (source_id, engine, mount, path) select id, $2, $3, $4 from source where name = $1 \
         on conflict (source_id, mount, path) do update set path = excluded.path returning id, engine",
    )
    .bind(secret.source.as_str())
    .bind(secret.engine.as_str())
    .bind(secret.mount.as_str())
    .bind(secret.path.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    let (id, engine) = found.ok_or_else(|| StoreError::NotFound { kind: "source", name: secret.source.to_string() })?;
    if engine != secret.engine.as_str() {
        begin_anew(connection, id, secret, engine).await?;
    }
    Ok(id.into())
}

/// Nothing of what was seen through the engine `before` says anything about the one it is drawn from now.
async fn begin_anew(connection: &mut PgConnection, id: Uuid, secret: &SecretRef, before: String) -> Result<()> {
    let binding: Option<String> = sqlx::query_scalar(
        "select b.name from binding_item i join binding b on b.id = i.binding_id where i.secret_id = $1 order by b.name limit 1",
    )
    .bind(id)
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(binding) = binding {
        let SecretRef { source, mount, path, .. } = secret;
        return Err(StoreError::OtherEngine { secret: format!("{source} {mount}/{path}"), engine: before, binding });
    }
    sqlx::query(
        "update secret set engine = $2, state = 'Unseen', latest_incarnation = null, latest_number = null, latest_created = null, \
             latest_mark = null, chosen_incarnation = null, chosen_number = null, chosen_created = null, chosen_mark = null, \
             problem = null where id = $1",
    )
    .bind(id)
    .bind(secret.engine.as_str())
    .execute(&mut *connection)
    .await?;
    sqlx::query("delete from version where secret_id = $1").bind(id).execute(connection).await?;
    Ok(())
}

/// The same of many at once, in two statements where all is as it should be. Each answers for itself.
pub(crate) async fn ensure_all(
    connection: &mut PgConnection,
    secrets: &BTreeSet<&SecretRef>,
) -> Result<Vec<(SecretRef, Result<Uuid>)>> {
    const NAMED: &str = "unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality as n(source, engine, mount, path, place) \
        left join source so on so.name = n.source";
    let column = |of: fn(&SecretRef) -> &str| secrets.iter().map(|secret| of(secret).to_owned()).collect::<Vec<_>>();
    let columns =
        [column(|s| s.source.as_str()), column(|s| s.engine.as_str()), column(|s| s.mount.as_str()), column(|s| s.path.as_str())];
    let insert = format!(
        "insert into secret (source_id, engine, mount, path) select so.id, n.engine, n.mount, n.path from {NAMED} \
         where so.id is not null on conflict (source_id, mount, path) do nothing"
    );
    let [sources, engines, mounts, paths] = &columns;
    let query = sqlx::query(sqlx::AssertSqlSafe(insert)).bind(sources).bind(engines).bind(mounts).bind(paths);
    query.execute(&mut *connection).await?;
    // Each by its key: joined, before anything is known of how many there are, all would be compared with all.
    let select = format!(
        "select s.id, s.engine from {NAMED} left join lateral ( \
             select id, engine from secret where source_id = so.id and mount = n.mount and path = n.path limit 1) s on true \
         order by n.place"
    );
    let query = sqlx::query_as(sqlx::AssertSqlSafe(select)).bind(sources).bind(engines).bind(mounts).bind(paths);
    let found: Vec<(Option<Uuid>, Option<String>)> = query.fetch_all(&mut *connection).await?;
    let mut ensured = Vec::with_capacity(found.len());
    for (secret, (id, engine)) in secrets.iter().zip(found) {
        let answer = match id.zip(engine) {
            None => Err(StoreError::NotFound { kind: "source", name: secret.source.to_string() }),
            Some((id, engine)) if engine == secret.engine.as_str() => Ok(id),
            Some((id, engine)) => begin_anew(&mut *connection, id, secret, engine).await.map(|()| id),
        };
        match answer {
            Err(error) if !matches!(error, StoreError::NotFound { .. } | StoreError::OtherEngine { .. }) => return Err(error),
            answer => ensured.push(((*secret).clone(), answer)),
        }
    }
    Ok(ensured)
}
