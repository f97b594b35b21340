//! What pods may mount, in a replica that stands by: the same sealed files as the one that works has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::PoisonError;

use chrono::{DateTime, Utc};
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::revision::Revision;
use tokio::sync::watch;

use super::cache::Cache;
use super::{CacheError, CacheKeys, Csi};

/// How fresh everything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    /// A server says at once when something changes.
    pub(crate) is_linked: bool,
    /// When one last could.
    pub(crate) confirmed: Option<DateTime<Utc>>,
}

/// Whether there is a cache that others may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caching {
    /// It was not opened yet.
    NotYet,
    /// It was, and the ledger has had the last word on what is in it.
    Settled,
    /// There is none, and there will be none.
    Without,
}

impl Csi {
    /// Begins to follow with what is in the cache. Nobody is given it before the first [`Level`]: it may be from long ago. Answers with what is
    /// there; what cannot be opened is left out, and comes anew.
    pub(crate) fn follow(
        &self,
        dir: &Path,
        cluster: ClusterId,
        keys: CacheKeys,
    ) -> Result<BTreeMap<BindingId, Revision>, CacheError> {
        let cache = Cache::open(dir, cluster, keys)?;
        self.age.forget();
        let mut there = BTreeMap::new();
        for binding in cache.bindings()? {
            match cache.load_any(binding) {
                Ok(entry) => drop(there.insert(binding, entry)),
                Err(why) => {
                    self.metrics.cache_failures.inc();
                    tracing::warn!(%binding, %why, "what the cache has of a binding is not used; it comes anew");
                }
            }
        }
        let known = there.iter().map(|(binding, entry)| (*binding, entry.stamp.revision)).collect();
        self.write(|entries| *entries = there);
        self.use_cache(cache);
        Ok(known)
    }

    /// Goes on with these keys. What is in memory stays: it is given also while nobody is there to send it anew.
    pub(crate) fn exchange_keys(&self, dir: &Path, cluster: ClusterId, keys: CacheKeys) -> Result<(), CacheError> {
        self.use_cache(Cache::open(dir, cluster, keys)?);
        Ok(())
    }

    /// Whether there is a cache already.
    pub(crate) fn has_cache(&self) -> bool {
        self.cache().is_some()
    }

    /// Takes an entry as it is sealed. What was sealed for another cluster, or with another key, is refused.
    pub(crate) fn take(&self, binding: BindingId, sealed: &[u8]) -> Result<(), CacheError> {
        let Some(cache) = self.cache() else { return Ok(()) };
        let entry = cache.take(binding, sealed)?;
        self.write(|entries| drop(entries.insert(binding, entry)));
        Ok(())
    }

    /// What the other replica has of a binding cannot be taken, and what was here before is not the newest any more.
    pub(crate) fn refuse(&self, binding: BindingId) {
        self.metrics.cache_failures.inc();
        self.remove(binding);
    }

    /// How fresh it is where this came from.
    pub(crate) fn set_level(&self, level: Level) {
        self.set_linked(level.is_linked);
        if let Some(at) = level.confirmed {
            self.age.confirmed_at(at);
        }
    }

    /// How fresh it is here.
    pub(crate) fn level(&self) -> Level {
        let (is_linked, confirmed) = self.age.known();
        Level { is_linked, confirmed }
    }

    /// Whether others may follow.
    pub(crate) fn caching(&self) -> Caching {
        *self.caching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is so from now on.
    pub(crate) fn set_caching(&self, now: Caching) {
        *self.caching.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// What is held and not here: nobody may take it for gone.
    pub(crate) fn lacked(&self) -> BTreeSet<BindingId> {
        self.with_lacked(|set| set.clone())
    }

    /// What there is, and of which revision.
    pub(crate) fn revisions(&self) -> BTreeMap<BindingId, Revision> {
        self.read(|entries| entries.iter().map(|(binding, entry)| (*binding, entry.stamp.revision)).collect())
    }

    /// An entry as it is sealed on disk, if that is of this revision.
    pub(crate) fn sealed(&self, binding: BindingId, revision: Revision) -> Option<Vec<u8>> {
        self.cache()?.sealed(binding, revision)
    }

    /// Moves with every change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}
