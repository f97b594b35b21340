//! NOTIFY wakes; sweeps guarantee. A lost notification costs time, never correctness.

use std::time::Duration;

use lockstep_core::name::SourceName;
use lockstep_core::revision::Seq;
use sqlx::PgConnection;
use sqlx::postgres::PgListener;
use tokio::time::timeout;

use crate::change::VERSIONS_OBSERVED;
use crate::{Result, StoreError};

/// The channel that carries the seq and the kind of each commit.
const CHANNEL: &str = "lockstep";
/// How long the channel may be silent before the connection is tried.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// How long connecting and that trial may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Tells every replica, once the surrounding transaction commits.
pub(crate) async fn changed(connection: &mut PgConnection, seq: Seq, kind: &str) -> Result<()> {
    sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(format!("{seq} {kind}")).execute(connection).await?;
    Ok(())
}

/// The first word of what asks for a look at a source; a replica of the version before takes it for a change, and only wakes.
const LOOK: &str = "look";

/// Asks whoever watches this source to look at it, once the surrounding transaction commits.
pub(crate) async fn look(connection: &mut PgConnection, source: &SourceName) -> Result<()> {
    sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(format!("{LOOK} {source}")).execute(connection).await?;
    Ok(())
}

/// Something woke the listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Woken {
    /// New versions were recorded, and nothing else: whoever watches sources knows them.
    Versions,
    /// Some other change was committed.
    Changed,
    /// Somebody wants this source to be looked at now.
    Look(SourceName),
    /// The connection was lost and is back: anything may have happened in between.
    Reconnected,
}

/// A connection that hears of every commit.
pub struct Listener {
    url: String,
    /// None: lost, and not yet back.
    connection: Option<PgListener>,
}

impl Listener {
    /// Connects and listens.
    pub async fn connect(url: &str) -> Result<Self> {
        Ok(Self { url: url.to_owned(), connection: Some(listen(url).await?) })
    }

    /// Waits for the next wake-up. After an error the next call connects anew; it may be cancelled.
    pub async fn woken(&mut self) -> Result<Woken> {
        let Some(connection) = &mut self.connection else {
            self.connection = Some(listen(&self.url).await?);
            return Ok(Woken::Reconnected);
        };
        let woken = heard(connection).await;
        if woken.is_err() {
            self.connection = None;
        }
        woken
    }
}

async fn listen(url: &str) -> Result<PgListener> {
    let connecting = async {
        let mut listener = PgListener::connect(url).await?;
        listener.listen(CHANNEL).await?;
        Ok(listener)
    };
    timeout(ANSWER_LIMIT, connecting).await.unwrap_or(Err(StoreError::Postgres(sqlx::Error::PoolTimedOut)))
}

/// What a commit was about. A replica of the version before tells no kind.
fn what(payload: &str) -> Woken {
    match payload.split_once(' ') {
        Some((_, VERSIONS_OBSERVED)) => Woken::Versions,
        Some((LOOK, source)) => source.parse().map_or(Woken::Changed, Woken::Look),
        _ => Woken::Changed,
    }
}

/// In silence, asks whether the server is still there: a connection whose other end vanished says nothing by itself.
async fn heard(connection: &mut PgListener) -> Result<Woken> {
    loop {
        if let Ok(notification) = timeout(SILENCE_LIMIT, connection.try_recv()).await {
            return Ok(notification?.map_or(Woken::Reconnected, |told| what(told.payload())));
        }
        let asked = timeout(ANSWER_LIMIT, sqlx::query("select 1").execute(&mut *connection)).await;
        asked.map_err(|_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??;
    }
}
