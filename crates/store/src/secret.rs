//! Secrets and their versions as observed. Metadata only.

mod ensure;
mod named;

use chrono::{DateTime, Utc};
use lockstep_core::binding::SecretRef;
use lockstep_core::engine::Engine;
use lockstep_core::id::{SecretId, SourceId};
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::name::SourceName;
use lockstep_core::revision::Seq;
use lockstep_core::trace::TraceId;
use lockstep_core::version::{Began, Incarnation, Known, Mark, SecretSeqs, SecretState, Version, VersionId, VersionNumber};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::meta::{seq, stored};
use crate::page::{Page, cut};
use crate::{Result, StoreError};

pub use ensure::ensure;
pub(crate) use ensure::ensure_all;
pub use named::{Said, meant};

/// A watched secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRecord {
    /// Its id.
    pub id: SecretId,
    /// What it is drawn from.
    pub engine: Engine,
    /// The engine's mount.
    pub mount: KvMount,
    /// The path below it.
    pub path: KvPath,
    /// What is known of its versions.
    pub known: Known,
    /// The trace of the observation that moved what is delivered.
    pub trace: Option<TraceId>,
    /// Why this one cannot be looked at, while its source can.
    pub problem: Option<String>,
}

impl SecretRecord {
    /// Its name, as one of this source.
    pub fn named(&self, source: SourceName) -> SecretRef {
        SecretRef { source, engine: self.engine, mount: self.mount.clone(), path: self.path.clone() }
    }
}

/// A watched secret as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The source's name.
    pub source: String,
    /// The secret.
    pub record: SecretRecord,
    /// How many of the bindings that the caller may see use it.
    pub bindings: u64,
}

#[derive(sqlx::FromRow)]
pub(crate) struct SecretRow {
    id: Uuid,
    engine: String,
    mount: String,
    path: String,
    state: String,
    began_token: i64,
    began_ordinal: i64,
    latest_incarnation: Option<DateTime<Utc>>,
    latest_number: Option<i64>,
    latest_created: Option<DateTime<Utc>>,
    latest_mark: Option<String>,
    chosen_incarnation: Option<DateTime<Utc>>,
    chosen_number: Option<i64>,
    chosen_created: Option<DateTime<Utc>>,
    chosen_mark: Option<String>,
    chosen_seq: i64,
    incarnation_seq: i64,
    presence_seq: i64,
    trace: Option<String>,
    problem: Option<String>,
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    secret: SecretRow,
    source: String,
    bindings: i64,
}

fn version(
    incarnation: Option<DateTime<Utc>>,
    number: Option<i64>,
    created: Option<DateTime<Utc>>,
    mark: Option<String>,
) -> Result<Option<Version>> {
    let corrupt = StoreError::corrupt("secret");
    let mark = mark.map_or(Ok(Mark::None), |text| Mark::from_text(&text).ok_or_else(|| corrupt(&"a mark")))?;
    let number = number.and_then(|number| VersionNumber::new(number.cast_unsigned()));
    let version = |((incarnation, number), created)| Version {
        id: VersionId { incarnation: Incarnation(incarnation), number },
        created,
        mark,
    };
    Ok(incarnation.zip(number).zip(created).map(version))
}

impl TryFrom<SecretRow> for SecretRecord {
    type Error = StoreError;
    fn try_from(row: SecretRow) -> Result<Self> {
        let corrupt = StoreError::corrupt("secret");
        let known = Known {
            began: Began { token: row.began_token.cast_unsigned(), ordinal: row.began_ordinal.cast_unsigned() },
            latest: version(row.latest_incarnation, row.latest_number, row.latest_created, row.latest_mark)?,
            state: SecretState::from_word(&row.state).ok_or_else(|| corrupt(&row.state))?,
            chosen: version(row.chosen_incarnation, row.chosen_number, row.chosen_created, row.chosen_mark)?,
            seqs: SecretSeqs {
                chosen: seq(row.chosen_seq),
                incarnation: seq(row.incarnation_seq),
                presence: seq(row.presence_seq),
            },
        };
        Ok(Self {
            id: row.id.into(),
            engine: Engine::from_word(&row.engine).ok_or_else(|| corrupt(&row.engine))?,
            mount: row.mount.parse().map_err(|e| corrupt(&e))?,
            path: row.path.parse().map_err(|e| corrupt(&e))?,
            known,
            trace: row.trace.and_then(|t| t.parse().ok()),
            problem: row.problem,
        })
    }
}

/// The mounts of a source that secrets are known in.
pub async fn mounts(connection: &mut PgConnection, source: &SourceName) -> Result<Vec<KvMount>> {
    let mounts: Vec<String> =
        sqlx::query_scalar("select distinct mount from secret s join source so on so.id = s.source_id where so.name = $1")
            .bind(source.as_str())
            .fetch_all(connection)
            .await?;
    mounts.into_iter().map(|mount| mount.parse().map_err(|e| StoreError::corrupt("secret")(&e))).collect()
}

/// What a secret is drawn from, if it is known.
pub async fn engine(
    connection: &mut PgConnection,
    source: &SourceName,
    mount: &KvMount,
    path: &KvPath,
) -> Result<Option<Engine>> {
    let engine: Option<String> = sqlx::query_scalar(
        "select engine from secret s join source so on so.id = s.source_id where so.name = $1 and s.mount = $2 and s.path = $3",
    )
    .bind(source.as_str())
    .bind(mount.as_str())
    .bind(path.as_str())
    .fetch_optional(connection)
    .await?;
    engine.map(|word| Engine::from_word(&word).ok_or_else(|| StoreError::corrupt("secret")(&word))).transpose()
}

/// Which of the secrets that are bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// All.
    All,
    /// Those that nobody has looked at since they were bound.
    Unseen,
}

/// The secrets of a source that some binding uses.
pub async fn bound(connection: &mut PgConnection, source: SourceId, which: Bound) -> Result<Vec<SecretRecord>> {
    let condition = match which {
        Bound::All => "",
        // Spelled out, so that its index is used.
        Bound::Unseen => "and state = 'Unseen'",
    };
    let rows: Vec<SecretRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select s.* from secret s where source_id = $1 {condition} \
         and exists (select from binding_item i where i.secret_id = s.id) order by mount, path",
    )))
    .bind(source.uuid())
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Those of these secrets that some binding still uses, read again inside a change's transaction.
pub async fn still_bound(connection: &mut PgConnection, ids: &[SecretId]) -> Result<Vec<SecretRecord>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows: Vec<SecretRow> = sqlx::query_as(
        "select s.* from secret s where id = any($1) and exists (select from binding_item i where i.secret_id = s.id)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// What is known of a secret, if a binding draws from it.
pub async fn drawn_from(connection: &mut PgConnection, secret: &SecretRef) -> Result<Option<SecretRecord>> {
    let row: Option<SecretRow> = sqlx::query_as(
        "select s.* from secret s join source so on so.id = s.source_id \
         where so.name = $1 and s.engine = $2 and s.mount = $3 and s.path = $4 \
         and exists (select from binding_item i where i.secret_id = s.id)",
    )
    .bind(secret.source.as_str())
    .bind(secret.engine.as_str())
    .bind(secret.mount.as_str())
    .bind(secret.path.as_str())
    .fetch_optional(connection)
    .await?;
    row.map(TryInto::try_into).transpose()
}

/// When what is chosen of each of these secrets was made, in their order; `None`: nothing is.
pub async fn chosen_created(connection: &mut PgConnection, secrets: &[&SecretRef]) -> Result<Vec<Option<DateTime<Utc>>>> {
    let column = |of: fn(&SecretRef) -> &str| secrets.iter().map(|secret| of(secret).to_owned()).collect::<Vec<_>>();
    let created = sqlx::query_scalar(
        "select s.chosen_created from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality \
             as n(source, engine, mount, path, position) \
         left join source so on so.name = n.source \
         left join secret s on s.source_id = so.id and s.engine = n.engine and s.mount = n.mount and s.path = n.path \
         order by n.position",
    )
    .bind(column(|secret| secret.source.as_str()))
    .bind(column(|secret| secret.engine.as_str()))
    .bind(column(|secret| secret.mount.as_str()))
    .bind(column(|secret| secret.path.as_str()))
    .fetch_all(connection)
    .await?;
    Ok(created)
}

/// The version of that number of a secret whose versions we count.
pub async fn counted(connection: &mut PgConnection, id: SecretId, number: VersionNumber) -> Result<Option<Version>> {
    let row: Option<(DateTime<Utc>, Option<String>)> =
        sqlx::query_as("select created, mark from version where secret_id = $1 and incarnation = $2 and number = $3")
            .bind(id.uuid())
            .bind(Incarnation::COUNTED.0)
            .bind(number.get().cast_signed())
            .fetch_optional(connection)
            .await?;
    row.map(|(created, mark)| version(Some(Incarnation::COUNTED.0), Some(number.get().cast_signed()), Some(created), mark))
        .transpose()
        .map(Option::flatten)
}

/// Makes those of these secrets unseen that no binding uses any more. Nobody looks at them from now on: when one is bound again, nothing
/// says that what was newest then still is, and nothing is delivered before somebody has looked. What was seen stays known, so that a
/// source that went back meanwhile is recognised. No revision moves: nothing holds content of theirs.
pub(crate) async fn unwatch(connection: &mut PgConnection, ids: &[Uuid]) -> Result<()> {
    sqlx::query(
        "update secret s set state = 'Unseen', chosen_incarnation = null, chosen_number = null, chosen_created = null, \
             chosen_mark = null, problem = null \
         where id = any($1) and not exists (select from binding_item i where i.secret_id = s.id)",
    )
    .bind(ids)
    .execute(connection)
    .await?;
    Ok(())
}

/// Secrets, each with how many bindings use it that a caller of reach `$4` may see: by their project, or by a cluster that draws it.
const USED: &str = "select s.*, so.name as source, u.bindings from secret s join source so on so.id = s.source_id \
         cross join lateral ( \
             select count(distinct i.binding_id) as bindings from binding_item i \
             join binding b on b.id = i.binding_id join project pr on pr.id = b.project_id \
             where i.secret_id = s.id and (reached($4, pr.name, null) or exists ( \
                 select from placement p join cluster c on c.id = p.cluster_id \
                 where p.binding_id = b.id and p.answer = 'Placed' and (i.cluster_id is null or i.cluster_id = p.cluster_id) \
                     and reached($4, null, c.labels)))) u";

/// One page, for people. The key is the secret's id.
pub async fn list(connection: &mut PgConnection, source: Option<&str>, page: &Page) -> Result<(Vec<Listed>, Option<String>)> {
    let after = page.after.as_deref().and_then(|a| a.parse().ok()).unwrap_or(Uuid::nil());
    let rows: Vec<ListedRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{USED} \
         where s.id > $1 and ($2::text is null or so.name = $2) and (u.bindings > 0 or ($4 ->> 'everything')::boolean) \
         order by s.id limit $3"
    )))
    .bind(after)
    .bind(source)
    .bind(page.rows())
    .bind(Json(&page.reach))
    .fetch_all(connection)
    .await?;
    let one = |r: ListedRow| Ok(Listed { source: r.source, record: r.secret.try_into()?, bindings: r.bindings.cast_unsigned() });
    let listed = rows.into_iter().map(one).collect::<Result<Vec<_>>>()?;
    Ok(cut(listed, page.size(), |l| l.record.id.to_string()))
}

/// Writes what is known now of each of these secrets: a first look may bring ten thousand. `recorded` names the change under which a new
/// newest version is kept.
pub async fn write(
    connection: &mut PgConnection,
    secrets: &[(SecretId, Known)],
    recorded: Seq,
    trace: Option<TraceId>,
) -> Result<()> {
    fn column<T>(secrets: &[(SecretId, Known)], of: impl Fn(&Known) -> T) -> Vec<T> {
        secrets.iter().map(|(_, known)| of(known)).collect()
    }
    let ids: Vec<Uuid> = secrets.iter().map(|(id, _)| id.uuid()).collect();
    let incarnation = |v: Version| v.id.incarnation.0;
    let number = |v: Version| v.id.number.get().cast_signed();
    let created = |v: Version| v.created;
    let mark = |v: Version| v.mark.to_text();
    sqlx::query(
        "update secret set state = n.state, began_token = n.token, began_ordinal = n.ordinal, \
             latest_incarnation = n.l_incarnation, latest_number = n.l_number, latest_created = n.l_created, \
             chosen_incarnation = n.c_incarnation, chosen_number = n.c_number, chosen_created = n.c_created, \
             chosen_seq = n.c_seq, incarnation_seq = n.i_seq, presence_seq = n.p_seq, trace = coalesce($14, trace), \
             latest_mark = n.l_mark, chosen_mark = n.c_mark \
         from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::bigint[], $7::timestamptz[], \
                 $8::timestamptz[], $9::bigint[], $10::timestamptz[], $11::bigint[], $12::bigint[], $13::bigint[], $15::text[], $16::text[]) \
             as n(id, state, token, ordinal, l_incarnation, l_number, l_created, c_incarnation, c_number, c_created, c_seq, i_seq, \
                  p_seq, l_mark, c_mark) \
         where secret.id = n.id",
    )
    .bind(&ids)
    .bind(column(secrets, |k| k.state.as_str()))
    .bind(column(secrets, |k| k.began.token.cast_signed()))
    .bind(column(secrets, |k| k.began.ordinal.cast_signed()))
    .bind(column(secrets, |k| k.latest.map(incarnation)))
    .bind(column(secrets, |k| k.latest.map(number)))
    .bind(column(secrets, |k| k.latest.map(created)))
    .bind(column(secrets, |k| k.chosen.map(incarnation)))
    .bind(column(secrets, |k| k.chosen.map(number)))
    .bind(column(secrets, |k| k.chosen.map(created)))
    .bind(column(secrets, |k| stored(k.seqs.chosen)))
    .bind(column(secrets, |k| stored(k.seqs.incarnation)))
    .bind(column(secrets, |k| stored(k.seqs.presence)))
    .bind(trace.map(|t| t.to_string()))
    .bind(column(secrets, |k| k.latest.and_then(mark)))
    .bind(column(secrets, |k| k.chosen.and_then(mark)))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "insert into version (secret_id, incarnation, number, created, seq, mark) \
         select n.id, n.incarnation, n.number, n.created, $5, n.mark \
         from unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::timestamptz[], $6::text[]) \
             as n(id, incarnation, number, created, mark) \
         where n.number is not null on conflict do nothing",
    )
    .bind(&ids)
    .bind(column(secrets, |k| k.latest.map(incarnation)))
    .bind(column(secrets, |k| k.latest.map(number)))
    .bind(column(secrets, |k| k.latest.map(created)))
    .bind(stored(recorded))
    .bind(column(secrets, |k| k.latest.and_then(mark)))
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that this secret cannot be looked at, while its source can; or that it can again.
pub async fn note_problem(connection: &mut PgConnection, id: SecretId, problem: Option<&str>) -> Result<()> {
    sqlx::query("update secret set problem = $2 where id = $1").bind(id.uuid()).bind(problem).execute(connection).await?;
    Ok(())
}
