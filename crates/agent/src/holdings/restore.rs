//! Bringing back from the cache what a Secret target lost, while no server can be asked.

use std::sync::Arc;

use lockstep_core::binding::Target;
use lockstep_core::id::BindingId;
use thiserror::Error;

use super::Holdings;
use super::check::Checked;
use crate::blocking::blocking;
use crate::cache::NotKept;
use crate::delivery::{Put, Refusal};

/// Why something is not restored.
#[derive(Debug, Error)]
pub(crate) enum NotRestored {
    /// It is as it should be, or is not for the cache to bring back.
    #[error("it is not lost")]
    NotLost,
    /// Not a Secret.
    #[error("only Secrets are restored from the cache")]
    NotASecret,
    /// Some places may never have had it.
    #[error("its delivery was not finished, or it selects namespaces that never had it: only a server may deliver there")]
    NewPlaces,
    /// The cache does not have it, or may not be used.
    #[error(transparent)]
    NotKept(#[from] NotKept),
    /// It is not the content that the ledger says.
    #[error("what the cache has is not the content that is held")]
    Other,
    /// It could not be applied.
    #[error("{}", .0.cause)]
    Refused(Refusal),
}

impl Holdings {
    /// Whether Secrets can be restored at all.
    pub(crate) fn keeps_secrets(&self) -> bool {
        self.cache.as_ref().is_some_and(|cache| cache.keeps_secrets())
    }

    /// Applies again exactly what the ledger says, if its places lost it: the same revision, through the same rules as when a server sends it. It comes
    /// to no place that never had it: whether it may, only a server knows.
    pub(crate) async fn restore(&self, binding: BindingId) -> Result<(), NotRestored> {
        let _turn = self.turns.take(binding).await;
        let cache = self.cache.clone().ok_or(NotKept::Absent)?;
        let look = self.look(binding).await.ok_or(NotRestored::NotLost)?;
        if !matches!(self.standing(binding, &look), Checked::Drifted { .. }) {
            return Err(NotRestored::NotLost);
        }
        let held = look.held;
        if !matches!(held.target, Target::Secret(_)) {
            return Err(NotRestored::NotASecret);
        }
        if held.unfinished || !self.sinks.selected(held.place(), binding).is_subset(&held.reached) {
            return Err(NotRestored::NewPlaces);
        }
        let revision = held.revision;
        let kept = blocking(move || cache.secret(binding, revision)).await?;
        if kept.digest != held.digest {
            return Err(NotRestored::Other);
        }
        // What is held came with a head.
        let newest = self.books(|books| books.ledger.floor()).await.ok_or(NotRestored::Other)?;
        let put = Arc::new(Put {
            binding,
            name: held.name,
            registered: kept.registered,
            revision,
            head: newest,
            target: held.target,
            sources: held.sources,
            allowed: held.allowed,
            observe: false,
            restart: held.restart,
            purge_former: held.purge_former,
            content: kept.content,
            digest: kept.digest,
            trace: None,
        });
        self.try_put(&put).await.map_err(NotRestored::Refused)?;
        Ok(())
    }
}
