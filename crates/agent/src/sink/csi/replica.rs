//! What pods may mount, in a replica that stands by: the same sealed files as the one that works has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::PoisonError;

use chrono::{DateTime, Utc};
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::revision::Revision;
use tokio::sync::watch;

use super::{Csi, stored};
use crate::cache::{Bookings, CacheError, CacheKeys, KeptSecret};

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
        let files = self.cache.open(dir, cluster, keys)?;
        self.cache.forget_age();
        let there = self.cache.load(&files, &Bookings::unknown(), stored::decode);
        self.write(|entries| *entries = there);
        self.cache.use_files(files);
        Ok(self.revisions())
    }

    /// Goes on with these keys. What is in memory stays: it is given also while nobody is there to send it anew.
    pub(crate) fn exchange_keys(&self, keys: CacheKeys) {
        if let Some(files) = self.cache.files() {
            files.use_keys(keys);
        }
    }

    /// Whether there is a cache already.
    pub(crate) fn has_cache(&self) -> bool {
        self.cache.files().is_some()
    }

    /// Takes an entry as it is sealed. What was sealed for another cluster, or with another key, is refused; what does not fit on disk is only
    /// in memory. The content of a Secret target is on disk only: nobody mounts it.
    pub(crate) fn take(&self, binding: BindingId, sealed: &[u8]) -> Result<(), CacheError> {
        let Some(files) = self.cache.files() else { return Ok(()) };
        let opened = files.open_sealed(binding, sealed)?;
        if KeptSecret::decode(&opened).is_some() {
            self.remove(binding);
            self.cache.take_secret(&opened, sealed);
            return Ok(());
        }
        let entry = stored::decode(&opened).ok_or(CacheError::Altered)?;
        self.cache.in_files(|files| files.keep(binding, &files.with_first_key(sealed)?));
        self.write(|entries| drop(entries.insert(binding, entry)));
        Ok(())
    }

    /// The other replica does not have it any more.
    pub(crate) fn let_go(&self, binding: BindingId) {
        self.remove(binding);
        self.cache.forget_secret(binding);
    }

    /// What the other replica has of a binding cannot be taken, and what was here before is not the newest any more.
    pub(crate) fn refuse(&self, binding: BindingId) {
        self.metrics.cache_failures.inc();
        self.let_go(binding);
    }

    /// A server is there to say what is newest, or is not any more. Said again while it lasts.
    pub(crate) fn set_linked(&self, is_linked: bool) {
        self.cache.set_linked(is_linked);
    }

    /// How fresh it is where this came from.
    pub(crate) fn set_level(&self, level: Level) {
        self.set_linked(level.is_linked);
        if let Some(at) = level.confirmed {
            self.cache.confirmed_at(at);
        }
    }

    /// How fresh it is here.
    pub(crate) fn level(&self) -> Level {
        let (is_linked, confirmed) = self.cache.known();
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

    /// What there is, and of which revision; also contents of Secret targets, which nobody is given here.
    pub(crate) fn revisions(&self) -> BTreeMap<BindingId, Revision> {
        let mut revisions = self.cache.secrets();
        revisions.extend(
            self.read(|entries| entries.iter().map(|(binding, entry)| (*binding, entry.stamp.revision)).collect::<Vec<_>>()),
        );
        revisions
    }

    /// An entry as it is sealed on disk, if that is of this revision.
    pub(crate) fn sealed(&self, binding: BindingId, revision: Revision) -> Option<Vec<u8>> {
        self.cache.files()?.sealed(binding, revision)
    }

    /// Moves with every change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}
