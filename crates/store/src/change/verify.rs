//! Whether the history is what was written: a walk along the hash chain, at once or step by step.

use lockstep_core::history::{ChangeHash, chain};
use lockstep_core::revision::Seq;
use sqlx::PgConnection;

use super::{COLUMNS, ChangeRow};
use crate::meta::{seq, stored};
use crate::{Result, registry};

/// Changes in one step.
const STEP: i64 = 5_000;

/// What a walk along the chain found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// Every hash follows from the one before it, up to this change.
    UpTo(Seq),
    /// This change, or the one before it, is not what was written.
    BrokenAt(Seq),
}

/// A walk under way: up to where the chain was found whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    at: i64,
    previous: ChangeHash,
}

impl Walk {
    /// From the first change on.
    pub const BEGINNING: Self = Self { at: 0, previous: ChangeHash::ORIGIN };

    /// Up to which change the chain was found whole.
    pub fn at(&self) -> Seq {
        seq(self.at)
    }

    /// Goes on for some thousand changes, to the registry's newest at most. `None`: there may be more.
    pub async fn step(&mut self, connection: &mut PgConnection) -> Result<Option<Verified>> {
        let head = registry::get(connection).await?.head;
        let newest = stored(head.seq);
        if self.at < newest {
            let rows: Vec<ChangeRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
                "select {COLUMNS} from change where seq > $1 and seq <= $2 order by seq limit $3"
            )))
            .bind(self.at)
            .bind(newest)
            .bind(STEP)
            .fetch_all(&mut *connection)
            .await?;
            if rows.is_empty() {
                return Ok(Some(Verified::BrokenAt(seq(self.at + 1))));
            }
            for row in rows {
                let hash = chain(&self.previous, &row.body());
                if row.seq != self.at + 1 || hash.bytes().as_slice() != row.hash {
                    return Ok(Some(Verified::BrokenAt(seq(row.seq))));
                }
                (self.at, self.previous) = (row.seq, hash);
            }
        }
        // Also where there are fewer than were walked: the registry was replaced by an older one.
        if self.at < newest {
            return Ok(None);
        }
        // The registry remembers the newest hash apart from the history: a chain that was made anew from some change on ends in another.
        let is_whole = self.previous == head.hash && self.at == newest;
        Ok(Some(if is_whole { Verified::UpTo(head.seq) } else { Verified::BrokenAt(head.seq) }))
    }
}

/// Walks the whole chain, up to the registry's newest change.
pub async fn verify(connection: &mut PgConnection) -> Result<Verified> {
    let mut walk = Walk::BEGINNING;
    loop {
        if let Some(verified) = walk.step(connection).await? {
            return Ok(verified);
        }
    }
}
