//! The history: every change, hash-chained, and the one way to write one.

mod listed;
mod records;
mod verify;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::history::{ChangeBody, ChangeHash, Mark, chain};
use lockstep_core::name::SourceName;
use lockstep_core::revision::{Epoch, Seq};
use serde_json::Value;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::meta::{seq, stored};
use crate::{Result, StoreError, notify};

pub use listed::{Filter, list};
pub use records::{Record, Records, records};
pub use verify::{Verified, Walk, verify};

/// A change being made. It holds the registry row's lock until it is committed or dropped; dropped, nothing happened.
pub struct Writing {
    transaction: Transaction<'static, Postgres>,
    /// The epoch.
    pub epoch: Epoch,
    /// The change's number.
    pub seq: Seq,
    at: DateTime<Utc>,
    previous: ChangeHash,
}

/// The kind of a change that records what a watcher saw: the commonest by far.
pub const VERSIONS_OBSERVED: &str = "VersionsObserved";

/// Who did what to what.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Such as `token:bootstrap`.
    pub actor: String,
    /// Such as `BindingWritten`.
    pub kind: &'static str,
    /// Such as `binding/checkout-db`.
    pub subject: String,
    /// More; never material.
    pub detail: Value,
}

#[derive(sqlx::FromRow)]
struct HeadRow {
    epoch: i64,
    seq: i64,
    hash: Vec<u8>,
    at: DateTime<Utc>,
}

impl Writing {
    /// Takes the next number. Everything that the change depends on must be read after this.
    pub async fn begin(pool: &PgPool) -> Result<Self> {
        // Said here, because under another isolation level that a server may default to, waiting writers would fail.
        let mut transaction = pool.begin_with("begin isolation level read committed").await?;
        // And one plan for all values, as in `pool::connect_prompt`: whoever waits for the lock waits for all planning under it.
        let head: HeadRow = sqlx::query_as(
            "update registry set seq = seq + 1 returning epoch, seq, hash, date_trunc('microseconds', clock_timestamp()) as at, \
                set_config('plan_cache_mode', 'force_generic_plan', true)",
        )
        .fetch_one(&mut *transaction)
        .await?;
        let previous = hash(&head.hash)?;
        Ok(Self { transaction, epoch: Epoch::new(head.epoch.cast_unsigned()), seq: seq(head.seq), at: head.at, previous })
    }

    /// The transaction's connection.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Moves the registry to the next epoch, which this change is then the first of.
    pub async fn next_epoch(&mut self) -> Result<Epoch> {
        let epoch: i64 =
            sqlx::query_scalar("update registry set epoch = epoch + 1 returning epoch").fetch_one(&mut *self.transaction).await?;
        self.epoch = Epoch::new(epoch.cast_unsigned());
        Ok(self.epoch)
    }

    /// Has these sources looked at as soon as the change is committed.
    pub async fn look_at(&mut self, sources: &[SourceName]) -> Result<()> {
        for source in sources {
            notify::look(&mut self.transaction, source).await?;
        }
        Ok(())
    }

    /// Writes the entry and commits both; every replica is told.
    pub async fn commit(mut self, entry: &Entry) -> Result<Mark> {
        let detail = entry.detail.to_string();
        let body = ChangeBody {
            epoch: self.epoch,
            seq: self.seq,
            at: self.at,
            actor: &entry.actor,
            kind: entry.kind,
            subject: &entry.subject,
            detail: &detail,
        };
        let hash = chain(&self.previous, &body);
        sqlx::query(
            "insert into change (seq, epoch, at, actor, kind, subject, detail, hash) values ($1, $2, $3, $4, $5, $6, $7::json, $8)",
        )
        .bind(stored(self.seq))
        .bind(self.epoch.get().cast_signed())
        .bind(self.at)
        .bind(&entry.actor)
        .bind(entry.kind)
        .bind(&entry.subject)
        .bind(&detail)
        .bind(hash.bytes().as_slice())
        .execute(&mut *self.transaction)
        .await?;
        sqlx::query("update registry set hash = $1").bind(hash.bytes().as_slice()).execute(&mut *self.transaction).await?;
        notify::changed(&mut self.transaction, self.seq, entry.kind).await?;
        self.transaction.commit().await?;
        Ok(Mark { epoch: self.epoch, seq: self.seq, hash })
    }

    /// Gives the change up: nothing happened, and its number is used by the next one.
    pub async fn abandon(self) -> Result<()> {
        Ok(self.transaction.rollback().await?)
    }
}

/// One recorded change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where in the history.
    pub mark: Mark,
    /// Postgres' time.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// What.
    pub kind: String,
    /// To what.
    pub subject: String,
    /// More.
    pub detail: Value,
}

#[derive(sqlx::FromRow)]
struct ChangeRow {
    seq: i64,
    epoch: i64,
    at: DateTime<Utc>,
    actor: String,
    kind: String,
    subject: String,
    detail: String,
    hash: Vec<u8>,
}

const COLUMNS: &str = "seq, epoch, at, actor, kind, subject, detail::text as detail, hash";

pub(crate) fn hash(bytes: &[u8]) -> Result<ChangeHash> {
    bytes.try_into().map(ChangeHash::new).map_err(|e| StoreError::corrupt("change")(&e))
}

/// The hash of change `at`, if there is one.
pub async fn hash_at(connection: &mut PgConnection, at: Seq) -> Result<Option<ChangeHash>> {
    let bytes: Option<Vec<u8>> =
        sqlx::query_scalar("select hash from change where seq = $1").bind(stored(at)).fetch_optional(connection).await?;
    bytes.as_deref().map(hash).transpose()
}

/// The key under which a change that records what a watcher saw says how many milliseconds before it was dated that was seen.
pub const SEEN_BEFORE_MS: &str = "seen_before_ms";

/// Of those of these changes that record what a watcher saw: how long ago it was seen, by Postgres' clock.
pub async fn observed_ages(connection: &mut PgConnection, seqs: &[Seq]) -> Result<BTreeMap<Seq, Duration>> {
    let rows: Vec<(i64, f64)> = sqlx::query_as(
        "select seq, (extract(epoch from clock_timestamp() - at) + coalesce((detail ->> $2)::float8, 0) / 1000)::float8 \
         from change where seq = any($1) and kind = $3",
    )
    .bind(seqs.iter().map(|seq| stored(*seq)).collect::<Vec<_>>())
    .bind(SEEN_BEFORE_MS)
    .bind(VERSIONS_OBSERVED)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(at, age_s)| (seq(at), Duration::try_from_secs_f64(age_s).unwrap_or_default())).collect())
}

impl ChangeRow {
    fn body(&self) -> ChangeBody<'_> {
        ChangeBody {
            epoch: Epoch::new(self.epoch.cast_unsigned()),
            seq: seq(self.seq),
            at: self.at,
            actor: &self.actor,
            kind: &self.kind,
            subject: &self.subject,
            detail: &self.detail,
        }
    }
}

impl TryFrom<ChangeRow> for Change {
    type Error = StoreError;
    fn try_from(row: ChangeRow) -> Result<Self> {
        let mark = Mark { epoch: Epoch::new(row.epoch.cast_unsigned()), seq: seq(row.seq), hash: hash(&row.hash)? };
        let detail = serde_json::from_str(&row.detail).map_err(|e| StoreError::corrupt("change")(&e))?;
        Ok(Self { mark, at: row.at, actor: row.actor, kind: row.kind, subject: row.subject, detail })
    }
}
