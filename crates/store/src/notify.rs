//! NOTIFY wakes; sweeps guarantee. A lost notification costs time, never correctness.

use lockstep_core::revision::Seq;
use sqlx::PgConnection;
use sqlx::postgres::PgListener;

use crate::Result;

/// The channel that carries the seq of each commit.
const CHANNEL: &str = "lockstep";

/// Tells every replica, once the surrounding transaction commits.
pub(crate) async fn changed(connection: &mut PgConnection, seq: Seq) -> Result<()> {
    sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(seq.to_string()).execute(connection).await?;
    Ok(())
}

/// Something woke the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// A change was committed.
    Changed,
    /// The connection was lost and is back: anything may have happened in between.
    Reconnected,
}

/// A connection that hears of every commit.
pub struct Listener(PgListener);

impl Listener {
    /// Connects and listens.
    pub async fn connect(url: &str) -> Result<Self> {
        let mut listener = PgListener::connect(url).await?;
        listener.listen(CHANNEL).await?;
        Ok(Self(listener))
    }

    /// Waits for the next wake-up; reconnects by itself.
    pub async fn woken(&mut self) -> Result<Woken> {
        match self.0.try_recv().await? {
            Some(_) => Ok(Woken::Changed),
            None => Ok(Woken::Reconnected),
        }
    }
}
