//! What replicas are to log for a while. It is kept as the change that asked for it: whoever asked is in the history, every replica reads the same,
//! and a table of one row is not needed.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::Result;

/// The kind of the change that asks.
pub const SET: &str = "LogFilterSet";
/// Its subject.
pub const SUBJECT: &str = "log-filter";

/// What was asked for and is not over.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Wanted {
    /// As `LOCKSTEP_LOG` has it.
    pub filter: String,
    /// Who asked.
    pub actor: String,
    /// Until when, by Postgres' clock.
    pub until: DateTime<Utc>,
}

/// What is asked for now: the newest change says, if its time is not over. One without a filter ended it.
pub async fn wanted(connection: &mut PgConnection) -> Result<Option<Wanted>> {
    Ok(sqlx::query_as(
        "select detail ->> 'filter' as filter, actor, at + make_interval(secs => (detail ->> 'seconds')::int) as until from ( \
            select * from change where subject = $1 order by seq desc limit 1) newest \
         where detail ->> 'filter' is not null and at + make_interval(secs => (detail ->> 'seconds')::int) > clock_timestamp()",
    )
    .bind(SUBJECT)
    .fetch_optional(connection)
    .await?)
}
