//! What the cache has, when it is opened.

use std::collections::BTreeMap;

use lockstep_core::id::BindingId;

use super::cache::Cache;
use super::entry::Entry;
use super::{CacheError, Csi};

impl Csi {
    /// The entries that `load` takes, as far as the cache may have them; what it cannot take is said. What `is_first` says is the last to be
    /// left out.
    pub(super) fn load(
        &self,
        cache: &Cache,
        is_first: impl Fn(BindingId) -> bool,
        load: impl Fn(BindingId) -> Result<Entry, CacheError>,
    ) -> BTreeMap<BindingId, Entry> {
        let (within, beyond) = cache.bindings(is_first);
        if !beyond.is_empty() {
            self.metrics.cache_failures.inc_by(beyond.len() as u64);
            tracing::error!(
                entries = beyond.len(),
                "the cache has more than --cache-max-bytes allows: so many of its entries are not used, and come anew from a server; raise it, and the limit of the volume"
            );
        }
        let mut entries = BTreeMap::new();
        for binding in within {
            match load(binding) {
                Ok(entry) => drop(entries.insert(binding, entry)),
                Err(CacheError::GivenUp) => {}
                Err(why) => {
                    self.metrics.cache_failures.inc();
                    tracing::warn!(%binding, %why, "what the cache has of a binding is not used; it comes anew");
                }
            }
        }
        self.exchange_keys(cache, entries.keys().copied());
        entries
    }

    /// What an older key sealed is sealed with the first from now on. What cannot be is used all the same, and said.
    fn exchange_keys(&self, cache: &Cache, bindings: impl Iterator<Item = BindingId>) {
        let failed = |why: CacheError| {
            self.metrics.cache_failures.inc();
            tracing::warn!(%why, "a part of the cache is still sealed with an older key: do not drop that key yet; it is tried again at the next start");
        };
        let mut count = 0;
        for binding in bindings {
            match cache.exchange(binding) {
                Ok(is_exchanged) => count += usize::from(is_exchanged),
                Err(why) => failed(why),
            }
        }
        // Whoever opens the cache says if there is none.
        if let Err(why) = cache.confirmed().map_or(Ok(()), |at| cache.exchange_confirmed(at)) {
            failed(why);
        }
        if count > 0 {
            tracing::info!(entries = count, "sealed anew with the first of the cache's keys");
        }
    }
}
