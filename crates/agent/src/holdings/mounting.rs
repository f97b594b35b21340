//! What pods may mount: how fresh it is, and its cache.

use std::path::PathBuf;

use lockstep_core::id::ClusterId;
use lockstep_core::revision::Revision;

use super::Holdings;
use crate::agent::AgentError;
use crate::blocking::blocking;
use crate::sink::csi::{CacheKeys, Mounted};
use crate::state::ledger::Holding;

impl Holdings {
    /// Takes what the cache has of what is held, and keeps it from now on.
    pub(crate) async fn open_cache(&self, dir: PathBuf, cluster: ClusterId, keys: Result<CacheKeys, AgentError>) {
        let Some(csi) = self.sinks.csi.clone() else { return };
        let keys = match keys {
            Ok(keys) => keys,
            Err(error) => return csi.not_cached(&error),
        };
        self.books_blocking(move |books| {
            let mut mounted = Mounted {
                floor: books.ledger.floor().map(|mark| Revision { epoch: mark.epoch, seq: mark.seq }),
                ..Mounted::default()
            };
            for (binding, holding) in books.ledger.iter() {
                let is_mounted = matches!(holding, Holding::Held(held) if held.is_mounted());
                let list = if is_mounted { &mut mounted.held } else { &mut mounted.gone };
                list.insert(binding, holding.revision());
            }
            csi.open_cache(&dir, cluster, keys, &mounted);
        })
        .await;
    }

    /// A server is there to say what is newest, or is not any more.
    pub(crate) async fn set_linked(&self, is_linked: bool) {
        if let Some(csi) = self.sinks.csi.clone() {
            blocking(move || csi.set_linked(is_linked)).await;
        }
    }

    /// The cluster was revoked. `dir`: where the cache is.
    pub(crate) async fn purge_mounted(&self, dir: Option<PathBuf>) {
        if let Some(csi) = self.sinks.csi.clone() {
            blocking(move || csi.purge(dir.as_deref())).await;
        }
    }
}
