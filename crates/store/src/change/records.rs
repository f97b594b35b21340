//! The history as it was hashed: for whoever checks the chain without trusting the server that has it.

use chrono::{DateTime, Utc};
use lockstep_core::history::{ChangeHash, Mark};
use lockstep_core::revision::{Epoch, Seq};
use sqlx::PgConnection;

use super::{COLUMNS, ChangeRow, hash};
use crate::Result;
use crate::meta::{seq, stored};
use crate::page::PAGE_MAX;

/// A change, each of its fields exactly as it is part of the hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub seq: Seq,
    /// Its epoch.
    pub epoch: Epoch,
    /// Postgres' time, in whole microseconds.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// What.
    pub kind: String,
    /// To what.
    pub subject: String,
    /// The detail's JSON as it was written, to the byte.
    pub detail: String,
    /// What is stored as its hash.
    pub hash: ChangeHash,
}

/// Part of the history, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// The registry's newest change, as the registry remembers it apart from the history; read before the records.
    pub head: Mark,
    /// In the order of their numbers.
    pub records: Vec<Record>,
}

/// The next `limit` records after this one, up to the head.
pub async fn records(connection: &mut PgConnection, after: Seq, limit: usize) -> Result<Records> {
    let head = crate::registry::get(connection).await?.head;
    let rows: Vec<ChangeRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from change where seq > $1 and seq <= $2 order by seq limit $3"
    )))
    .bind(stored(after))
    .bind(stored(head.seq))
    .bind(i64::try_from(limit.clamp(1, PAGE_MAX)).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    let record = |row: ChangeRow| {
        Ok(Record {
            seq: seq(row.seq),
            epoch: Epoch::new(row.epoch.cast_unsigned()),
            at: row.at,
            hash: hash(&row.hash)?,
            actor: row.actor,
            kind: row.kind,
            subject: row.subject,
            detail: row.detail,
        })
    };
    Ok(Records { head, records: rows.into_iter().map(record).collect::<Result<_>>()? })
}
