//! Whether this agent still leads, for whoever is about to write.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// Not the leader, or not surely for as long as a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("another agent of this cluster may lead by now: nothing was written")]
pub(crate) struct NotLeader;

/// Asked before every write; a copy costs nothing. It says yes only while the lease outlasts the longest request, so that what was
/// begun under it does not arrive after it.
#[derive(Clone)]
pub(crate) struct Leadership(Option<Arc<Lead>>);

struct Lead {
    clock: Arc<dyn Clock>,
    /// The longest that a request may take.
    reserve: Duration,
    /// Until when, in the clock's uptime, nobody else can have taken the lease over.
    until: Mutex<Duration>,
    /// Cancelled when it is known to be lost.
    lost: CancellationToken,
    why: OnceLock<String>,
}

impl Leadership {
    /// Of an agent without a lease: it always leads.
    pub(crate) const fn always() -> Self {
        Self(None)
    }

    /// Until `until`, and longer with each [`Leadership::extend`].
    pub(super) fn until(clock: Arc<dyn Clock>, reserve: Duration, until: Duration) -> Self {
        let (until, lost, why) = (Mutex::new(until), CancellationToken::new(), OnceLock::new());
        Self(Some(Arc::new(Lead { clock, reserve, until, lost, why })))
    }

    pub(super) fn extend(&self, until: Duration) {
        if let Some(lead) = &self.0 {
            *lead.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        }
    }

    /// Whether a write that is sent now arrives while this agent leads.
    pub(crate) fn may_write(&self) -> bool {
        self.0.as_ref().is_none_or(|lead| {
            let until = *lead.until.lock().unwrap_or_else(PoisonError::into_inner);
            !lead.lost.is_cancelled() && lead.clock.uptime() + lead.reserve < until
        })
    }

    /// The same, for `?`.
    pub(crate) fn check(&self) -> Result<(), NotLeader> {
        if self.may_write() { Ok(()) } else { Err(NotLeader) }
    }

    /// Ends it, because something showed that another one leads. The first reason counts. Without a lease there is nothing to lose.
    pub(crate) fn lose(&self, why: impl Into<String>) {
        if let Some(lead) = &self.0 {
            let _ = lead.why.set(why.into());
            lead.lost.cancel();
        }
    }

    /// Waits until it is lost, and says why.
    pub(crate) async fn lost(&self) -> String {
        match &self.0 {
            None => std::future::pending().await,
            Some(lead) => {
                lead.lost.cancelled().await;
                lead.why.get().cloned().unwrap_or_default()
            }
        }
    }
}

impl fmt::Debug for Leadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leadership").field("may_write", &self.may_write()).finish()
    }
}
