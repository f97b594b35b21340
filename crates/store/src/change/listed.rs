//! Changes as they are listed.

use std::time::Duration;

use lockstep_core::access::Reach;
use lockstep_core::id::SecretId;
use lockstep_core::revision::Seq;
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;
use sqlx::types::Json;

use super::{COLUMNS, Change, ChangeRow};
use crate::Result;
use crate::meta::stored;
use crate::page::{self, Page};

/// Changes that one page looks at, where no index leads to those that are asked for: a history has millions, and an answer has seconds. The
/// page then has what was found among them, perhaps nothing, and says where to go on.
const LOOKED_AT_MAX: i64 = 20_000;

/// Which changes. What is not said does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// To this, such as `binding/checkout-db`.
    pub subject: Option<&'a str>,
    /// By this actor, such as `token:ci`.
    pub actor: Option<&'a str>,
    /// Of this kind, such as `BindingWritten`.
    pub kind: Option<&'a str>,
    /// To the cluster of this name, or naming it.
    pub cluster: Option<&'a str>,
    /// That concern this secret: versions of it that were seen, specs that name it, and what was done to bindings that use it now.
    pub secret: Option<SecretId>,
    /// Not older than this, by Postgres' clock.
    pub since: Option<Duration>,
    /// After this one.
    pub after: Option<Seq>,
    /// Before this one: where an earlier page ended.
    pub before: Option<Seq>,
}

impl Filter<'_> {
    /// Whether whatever is looked at is asked for, or an index leads to it.
    fn is_direct(&self, page: &Page) -> bool {
        let is_narrow = self.actor.is_some() || self.kind.is_some() || self.cluster.is_some() || self.secret.is_some();
        self.subject.is_some() || !(is_narrow || self.since.is_some() || page.reach != Reach::EVERYTHING)
    }
}

/// The lowest of those that one page looks at, if there are more below. What is too old ends the list: times follow numbers, but for a clock
/// that was set back.
const LOWEST: &str = "\
select case when count(*) = $3 and not coalesce(min(at) < now() - $4 - interval '5 minutes', false) then min(seq) end from (
    select seq, at from change where ($1::bigint is null or seq > $1) and ($2::bigint is null or seq < $2) order by seq desc limit $3
) looked_at";

const LISTED: &str = "\
from change
left join lateral (
    select so.name as source, s.mount, s.path,
        array(select 'binding/' || b.name from binding b join binding_item i on i.binding_id = b.id where i.secret_id = s.id) as users
    from secret s join source so on so.id = s.source_id where s.id = $9
) s on true
where ($1::bigint is null or seq > $1) and ($2::bigint is null or seq < $2) and ($3::bigint is null or seq >= $3)
  and ($4::text is null or subject = $4) and ($5::text is null or actor = $5) and ($6::text is null or kind = $6)
  and ($7::text is null or subject = 'cluster/' || $7 or detail ->> 'cluster' = $7)
  and ($8::interval is null or at >= now() - $8)
  and ($9::uuid is null or subject = any(s.users)
    or (kind = 'VersionsObserved' and subject = 'source/' || s.source
        and jsonb_path_exists(detail::jsonb, '$.secrets[*] ? (@.mount == $mount && @.path == $path)',
            jsonb_build_object('mount', s.mount, 'path', s.path)))
    or (kind in ('BindingWritten', 'RotationWritten')
        and jsonb_path_exists(jsonb_build_array(detail::jsonb #> '{spec,items}', detail::jsonb #> '{spec,generate}'),
            '$[*][*] ? (@.source == $source && @.mount == $mount && @.path == $path)',
            jsonb_build_object('source', s.source, 'mount', s.mount, 'path', s.path)))
    or (kind = 'RotationWritten' and (s.source, s.mount, s.path) in (
        (detail #>> '{spec,databaseStatic,source}', detail #>> '{spec,databaseStatic,mount}', detail #>> '{spec,databaseStatic,role}'),
        (detail #>> '{spec,databasePair,source}', detail #>> '{spec,databasePair,mount}',
            concat_ws(',', detail #>> '{spec,databasePair,roles,0}', detail #>> '{spec,databasePair,roles,1}')),
        (detail #>> '{spec,pki,source}', detail #>> '{spec,pki,into,mount}', detail #>> '{spec,pki,into,path}'))))
  and (($10 ->> 'everything')::boolean or reached(
      $10, coalesce(detail ->> 'project', substring(subject from '^project/(.*)$')),
      (select labels from cluster where 'cluster/' || name = subject)))
order by seq desc limit $11";

/// Changes, newest first, as many as `page` says at most, and where to go on. Of a reach that is not everything: those whose detail names one of
/// its projects, and those to one of its clusters that is still there.
pub async fn list(connection: &mut PgConnection, filter: Filter<'_>, page: &Page) -> Result<(Vec<Change>, Option<String>)> {
    let since = filter.since.map(|since| PgInterval {
        months: 0,
        days: 0,
        microseconds: i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
    });
    let lowest = if filter.is_direct(page) { None } else { lowest(connection, filter, since.as_ref()).await? };
    let rows: Vec<ChangeRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} {LISTED}")))
        .bind(filter.after.map(stored))
        .bind(filter.before.map(stored))
        .bind(lowest)
        .bind(filter.subject)
        .bind(filter.actor)
        .bind(filter.kind)
        .bind(filter.cluster)
        .bind(since)
        .bind(filter.secret.map(SecretId::uuid))
        .bind(Json(&page.reach))
        .bind(page.rows())
        .fetch_all(connection)
        .await?;
    let (rows, next) = page::cut(rows, page.size(), |r| r.seq.to_string());
    let next = next.or_else(|| lowest.map(|lowest| lowest.to_string()));
    Ok((rows.into_iter().map(Change::try_from).collect::<Result<_>>()?, next))
}

async fn lowest(connection: &mut PgConnection, filter: Filter<'_>, since: Option<&PgInterval>) -> Result<Option<i64>> {
    Ok(sqlx::query_scalar(LOWEST)
        .bind(filter.after.map(stored))
        .bind(filter.before.map(stored))
        .bind(LOOKED_AT_MAX)
        .bind(since)
        .fetch_one(connection)
        .await?)
}
