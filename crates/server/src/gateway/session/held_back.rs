//! Telling the registry how many deletions the guard holds back, for everybody to see.

use futures::FutureExt as _;
use lockstep_core::revision::Seq;
use lockstep_store::{cluster, pool};

use super::{RELOAD_LIMIT, Session};

/// How many, and up to which change deletions were confirmed then.
pub(super) type Noted = (usize, Seq);

impl Session {
    /// Tells it, if it changed; one at a time, and again after a failure.
    pub(super) fn note_held_back(&mut self) {
        let held_back = self.ledger.held_back();
        let (Some(now), true) = (held_back.filter(|now| self.noted != Some(*now)), self.noting.is_empty()) else { return };
        let (pool, cluster, session) = (self.gateway.app.pool.clone(), self.admitted.identity.cluster, self.admitted.session);
        let name = self.admitted.name.clone();
        let note = async move {
            let mut connection = pool::acquire(&pool).await?;
            cluster::note_deletions_held(&mut connection, cluster, session, now.0).await?;
            if now.0 > 0 {
                tracing::warn!(cluster = %name, deletions = now.0, "the delete guard holds deletions back: lockstep confirm");
            }
            Ok(now)
        };
        self.noting.push(pool::within(RELOAD_LIMIT, note).boxed());
    }
}
