//! What pods may mount: how fresh it is, and its cache.

use std::path::PathBuf;

use lockstep_core::id::ClusterId;
use lockstep_core::revision::Revision;

use super::Holdings;
use crate::blocking::blocking;
use crate::sink::csi::{Booked, CacheKeys};
use crate::state::ledger::Holding;

impl Holdings {
    /// Takes what the cache has of what is held, and keeps it from now on.
    pub(crate) async fn open_cache(&self, dir: PathBuf, cluster: ClusterId, keys: CacheKeys) {
        let Some(csi) = self.sinks.csi.clone() else { return };
        self.books_blocking(move |books| {
            let floor = books.ledger.floor().map(|mark| Revision { epoch: mark.epoch, seq: mark.seq });
            csi.open_cache(&dir, cluster, keys, |binding| match (books.ledger.get(binding), floor) {
                (Some(Holding::Held(held)), _) if held.is_mounted() => Booked::Held(held.revision),
                (Some(holding), _) => Booked::NotSince(holding.revision()),
                (None, Some(floor)) => Booked::NotSince(floor),
                (None, None) => Booked::Never,
            });
        })
        .await;
    }

    /// A server is there to say what is newest, or is not any more.
    pub(crate) async fn set_linked(&self, is_linked: bool) {
        if let Some(csi) = self.sinks.csi.clone() {
            blocking(move || csi.set_linked(is_linked)).await;
        }
    }

    /// The cluster was revoked.
    pub(crate) async fn purge_mounted(&self) {
        if let Some(csi) = self.sinks.csi.clone() {
            blocking(move || csi.purge()).await;
        }
    }
}
