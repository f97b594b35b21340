//! Secrets and their versions as observed. Metadata only.

use chrono::{DateTime, Utc};
use lockstep_core::binding::SecretRef;
use lockstep_core::id::{SecretId, SourceId};
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::revision::Seq;
use lockstep_core::trace::TraceId;
use lockstep_core::version::{Began, Incarnation, Known, SecretSeqs, SecretState, Version, VersionId, VersionNumber};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::meta::{seq, stored};
use crate::page::{Page, cut};
use crate::{Result, StoreError};

/// A watched secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRecord {
    /// Its id.
    pub id: SecretId,
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

/// A watched secret as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The source's name.
    pub source: String,
    /// The secret.
    pub record: SecretRecord,
    /// How many bindings use it.
    pub bindings: u64,
}

#[derive(sqlx::FromRow)]
pub(crate) struct SecretRow {
    id: Uuid,
    mount: String,
    path: String,
    state: String,
    began_token: i64,
    began_ordinal: i64,
    latest_incarnation: Option<DateTime<Utc>>,
    latest_number: Option<i64>,
    latest_created: Option<DateTime<Utc>>,
    chosen_incarnation: Option<DateTime<Utc>>,
    chosen_number: Option<i64>,
    chosen_created: Option<DateTime<Utc>>,
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

fn version(incarnation: Option<DateTime<Utc>>, number: Option<i64>, created: Option<DateTime<Utc>>) -> Option<Version> {
    let id = VersionId { incarnation: Incarnation(incarnation?), number: VersionNumber::new(number?.cast_unsigned())? };
    Some(Version { id, created: created? })
}

impl TryFrom<SecretRow> for SecretRecord {
    type Error = StoreError;
    fn try_from(row: SecretRow) -> Result<Self> {
        let corrupt = StoreError::corrupt("secret");
        let known = Known {
            began: Began { token: row.began_token.cast_unsigned(), ordinal: row.began_ordinal.cast_unsigned() },
            latest: version(row.latest_incarnation, row.latest_number, row.latest_created),
            state: SecretState::from_word(&row.state).ok_or_else(|| corrupt(&row.state))?,
            chosen: version(row.chosen_incarnation, row.chosen_number, row.chosen_created),
            seqs: SecretSeqs {
                chosen: seq(row.chosen_seq),
                incarnation: seq(row.incarnation_seq),
                presence: seq(row.presence_seq),
            },
        };
        Ok(Self {
            id: row.id.into(),
            mount: row.mount.parse().map_err(|e| corrupt(&e))?,
            path: row.path.parse().map_err(|e| corrupt(&e))?,
            known,
            trace: row.trace.and_then(|t| t.parse().ok()),
            problem: row.problem,
        })
    }
}

/// The id of the secret by name; recorded as unseen if it is new. The source must be registered.
pub async fn ensure(connection: &mut PgConnection, secret: &SecretRef) -> Result<SecretId> {
    // The update is what makes a conflicting insert return the row.
    let id: Option<Uuid> = sqlx::query_scalar(
        "insert into secret (source_id, mount, path) select id, $2, $3 from source where name = $1 \
         on conflict (source_id, mount, path) do update set path = excluded.path returning id",
    )
    .bind(secret.source.as_str())
    .bind(secret.mount.as_str())
    .bind(secret.path.as_str())
    .fetch_optional(connection)
    .await?;
    id.map(Into::into).ok_or_else(|| StoreError::NotFound { kind: "source", name: secret.source.to_string() })
}

/// The secrets of a source that some binding uses.
pub async fn bound(connection: &mut PgConnection, source: SourceId) -> Result<Vec<SecretRecord>> {
    let rows: Vec<SecretRow> = sqlx::query_as(
        "select s.* from secret s where source_id = $1 and exists (select from binding_item i where i.secret_id = s.id) \
         order by mount, path",
    )
    .bind(source.uuid())
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// These secrets, read again inside a change's transaction.
pub async fn of_ids(connection: &mut PgConnection, ids: &[SecretId]) -> Result<Vec<SecretRecord>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows: Vec<SecretRow> = sqlx::query_as("select * from secret where id = any($1)").bind(ids).fetch_all(connection).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// One page, for people. The key is the secret's id.
pub async fn list(connection: &mut PgConnection, source: Option<&str>, page: &Page) -> Result<(Vec<Listed>, Option<String>)> {
    let after = page.after.as_deref().and_then(|a| a.parse().ok()).unwrap_or(Uuid::nil());
    let rows: Vec<ListedRow> = sqlx::query_as(
        "select s.*, so.name as source, (select count(distinct i.binding_id) from binding_item i where i.secret_id = s.id) as bindings \
         from secret s join source so on so.id = s.source_id \
         where s.id > $1 and ($2::text is null or so.name = $2) order by s.id limit $3",
    )
    .bind(after)
    .bind(source)
    .bind(page.rows())
    .fetch_all(connection)
    .await?;
    let one = |r: ListedRow| Ok(Listed { source: r.source, record: r.secret.try_into()?, bindings: r.bindings.cast_unsigned() });
    let listed = rows.into_iter().map(one).collect::<Result<Vec<_>>>()?;
    Ok(cut(listed, page.size(), |l| l.record.id.to_string()))
}

/// Writes what is known now. `recorded` names the change under which a new newest version is kept.
pub async fn write(
    connection: &mut PgConnection,
    id: SecretId,
    known: &Known,
    recorded: Seq,
    trace: Option<TraceId>,
) -> Result<()> {
    sqlx::query(
        "update secret set state = $2, began_token = $3, began_ordinal = $4, \
             latest_incarnation = $5, latest_number = $6, latest_created = $7, \
             chosen_incarnation = $8, chosen_number = $9, chosen_created = $10, \
             chosen_seq = $11, incarnation_seq = $12, presence_seq = $13, trace = coalesce($14, trace) where id = $1",
    )
    .bind(id.uuid())
    .bind(known.state.as_str())
    .bind(known.began.token.cast_signed())
    .bind(known.began.ordinal.cast_signed())
    .bind(known.latest.map(|v| v.id.incarnation.0))
    .bind(known.latest.map(|v| v.id.number.get().cast_signed()))
    .bind(known.latest.map(|v| v.created))
    .bind(known.chosen.map(|v| v.id.incarnation.0))
    .bind(known.chosen.map(|v| v.id.number.get().cast_signed()))
    .bind(known.chosen.map(|v| v.created))
    .bind(stored(known.seqs.chosen))
    .bind(stored(known.seqs.incarnation))
    .bind(stored(known.seqs.presence))
    .bind(trace.map(|t| t.to_string()))
    .execute(&mut *connection)
    .await?;
    let Some(latest) = known.latest else { return Ok(()) };
    sqlx::query(
        "insert into version (secret_id, incarnation, number, created, seq) values ($1, $2, $3, $4, $5) on conflict do nothing",
    )
    .bind(id.uuid())
    .bind(latest.id.incarnation.0)
    .bind(latest.id.number.get().cast_signed())
    .bind(latest.created)
    .bind(stored(recorded))
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that this secret cannot be looked at, while its source can; or that it can again.
pub async fn note_problem(connection: &mut PgConnection, id: SecretId, problem: Option<&str>) -> Result<()> {
    sqlx::query("update secret set problem = $2 where id = $1").bind(id.uuid()).bind(problem).execute(connection).await?;
    Ok(())
}
