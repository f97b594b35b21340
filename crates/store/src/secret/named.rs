//! A secret as people name it.

use lockstep_core::access::Reach;
use sqlx::PgConnection;
use sqlx::types::Json;

use super::{Listed, ListedRow, USED};
use crate::Result;

/// The most that a name may mean before it is told which.
const MEANT_MAX: i64 = 11;

/// What a person says of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// `PATH`, `MOUNT/PATH` or `SOURCE/MOUNT/PATH`: a mount may have a `/`, so all three are tried.
    pub text: &'a str,
    /// Only of this source.
    pub source: Option<&'a str>,
    /// Only of this mount.
    pub mount: Option<&'a str>,
}

/// The secrets that may be meant, by name, eleven at most: those that a binding uses which the caller may see, and those that a cluster still
/// has which he may see.
pub async fn meant(connection: &mut PgConnection, said: Said<'_>, reach: &Reach) -> Result<Vec<Listed>> {
    let rows: Vec<ListedRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{USED} \
         where $1 in (s.path, s.mount || '/' || s.path, so.name || '/' || s.mount || '/' || s.path) \
           and ($2::text is null or so.name = $2) and ($3::text is null or s.mount = $3) \
           and (u.bindings > 0 or ($4 ->> 'everything')::boolean or exists ( \
               select from delivery l join binding b on b.id = l.binding_id join project pr on pr.id = b.project_id \
               join cluster c on c.id = l.cluster_id \
               where l.applied_secrets @> array[s.id] and l.applied_digest is not null and reached($4, pr.name, c.labels))) \
         order by so.name, s.mount, s.path limit $5"
    )))
    .bind(said.text)
    .bind(said.source)
    .bind(said.mount)
    .bind(Json(reach))
    .bind(MEANT_MAX)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|r| Ok(Listed { source: r.source, record: r.secret.try_into()?, bindings: r.bindings.cast_unsigned() }))
        .collect()
}
