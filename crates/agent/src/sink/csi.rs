//! What pods may mount: nothing is written in the cluster, node agents ask for it.
//!
//! It is in memory, opened. With a cache it is on disk too, sealed, so that pods start while neither a server nor a Vault is there.
//!
//! | module | what it is |
//! |---|---|
//! | `entry`, `wanted`, `look_up` | what one binding gives, what a pod asks for, and what it is given: pure |
//! | `stored` | an entry in the [`crate::cache`] |
//! | `replica` | the same in a replica that stands by |

mod entry;
mod look_up;
mod replica;
mod stored;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use lockstep_core::binding::CsiTarget;
use lockstep_core::id::BindingId;
use tokio::sync::watch;

use super::{Observed, SinkError, Stamp};
use crate::cache::{Bookings, Cache, Files, Standing};
use crate::delivery::Put;
use crate::metrics::VolumesMetrics;
use crate::state::keyring::Keys;
use entry::Entry;
pub(crate) use replica::{Caching, Level};
pub(crate) use wanted::{Asker, Found, NotGiven, Source, Wanted};

/// What pods may mount.
pub(crate) struct Csi {
    entries: RwLock<BTreeMap<BindingId, Entry>>,
    cache: Arc<Cache>,
    /// Moves with every change of entries.
    changed: watch::Sender<()>,
    metrics: VolumesMetrics,
    /// What is held and not here: the ledger says so, and the cache did not have it.
    lacked: Mutex<BTreeSet<BindingId>>,
    caching: Mutex<Caching>,
}

impl Csi {
    /// With nothing in it. What no server confirmed for as long as the cache says is not given any more.
    pub(crate) fn new(cache: Arc<Cache>, metrics: VolumesMetrics) -> Self {
        Self {
            entries: RwLock::default(),
            cache,
            changed: watch::Sender::default(),
            metrics,
            lacked: Mutex::default(),
            caching: Mutex::new(Caching::NotYet),
        }
    }

    /// Takes what the cache has of what is held. What it had while it stood by is on disk too, and the ledger has the last word on it.
    pub(crate) fn open(&self, files: &Files, bookings: &Bookings) {
        let there = self.cache.load(files, bookings, stored::decode);
        let (held, kept) = (bookings.mounted.keys().chain(bookings.secrets.keys()), files.secrets());
        let lacked: BTreeSet<BindingId> = held.filter(|id| !there.contains_key(id) && !kept.contains_key(id)).copied().collect();
        tracing::info!(entries = there.len(), lacked = lacked.len(), "opened the cache of what pods may mount");
        self.with_lacked(|set| *set = lacked);
        self.write(|entries| *entries = there);
    }

    /// See [`super::Sinks::apply`].
    pub(crate) fn apply(&self, put: &Put, target: CsiTarget, stamp: Stamp, keys: &Keys) -> Result<(), SinkError> {
        let key = keys.get(&stamp.digest.key).ok_or_else(|| SinkError::UnknownKey(stamp.digest.key.as_str().to_owned()))?;
        let entry = Entry::new(put, target, stamp, key);
        // Pods get it even if the disk is full: an older file does not count, because the ledger says another revision.
        self.store(put.binding, &entry);
        self.with_lacked(|set| set.remove(&put.binding));
        self.write(|entries| drop(entries.insert(put.binding, entry)));
        Ok(())
    }

    /// See [`super::Sinks::observe`].
    pub(crate) fn observe(&self, binding: BindingId, keys: &Keys) -> Observed {
        self.read(|entries| match entries.get(&binding) {
            None => Observed::Absent,
            Some(entry) => Observed::Content(keys.digests(&entry.content), entry.stamp.clone()),
        })
    }

    /// No pod mounts it any more.
    pub(crate) fn remove(&self, binding: BindingId) {
        // Each delivery to another target says so too.
        if !self.with_lacked(|set| set.remove(&binding)) && !self.read(|entries| entries.contains_key(&binding)) {
            return;
        }
        self.write(|entries| drop(entries.remove(&binding)));
        self.cache.in_files(|files| files.remove(binding));
    }

    /// No pod mounts anything any more: the cluster was revoked.
    pub(crate) fn purge(&self) {
        let count = self.len();
        self.with_lacked(BTreeSet::clear);
        self.write(BTreeMap::clear);
        let left = self.cache.purge();
        if count + left > 0 {
            tracing::warn!(count, "what pods may mount is forgotten, and its cache removed: the cluster is revoked");
        }
    }

    /// What a pod may have of what it asks for.
    pub(crate) fn look_up(&self, asker: Asker<'_>, wanted: &Wanted) -> Result<Found, NotGiven> {
        let standing = self.cache.standing();
        let found = self.read(|entries| look_up::look_up(entries.values(), asker, wanted))?;
        match standing {
            Standing::Fresh => Ok(found),
            Standing::Stale(_) => Ok(Found { is_stale: true, ..found }),
            Standing::TooOld(since) => Err(NotGiven::NotAtHand(too_old(since.map(|at| at.to_rfc3339())))),
        }
    }

    /// How many bindings have content here.
    pub(crate) fn len(&self) -> usize {
        self.read(BTreeMap::len)
    }

    fn with_lacked<T>(&self, work: impl FnOnce(&mut BTreeSet<BindingId>) -> T) -> T {
        work(&mut self.lacked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn store(&self, binding: BindingId, entry: &Entry) {
        self.cache.in_files(|files| files.store(binding, entry.stamp.revision, &stored::encode(entry)));
    }

    fn read<T>(&self, work: impl FnOnce(&BTreeMap<BindingId, Entry>) -> T) -> T {
        work(&self.entries.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, work: impl FnOnce(&mut BTreeMap<BindingId, Entry>)) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        work(&mut entries);
        self.metrics.bindings.set(i64::try_from(entries.len()).unwrap_or(i64::MAX));
        drop(entries);
        self.changed.send_replace(());
    }
}

impl fmt::Debug for Csi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Csi({} entries)", self.len())
    }
}

fn too_old(since: Option<String>) -> String {
    let since = since.map_or_else(|| "since this agent began".to_owned(), |at| format!("since {at}"));
    format!(
        "no Lockstep server could be asked {since} whether it is still the newest, and that is longer than --cache-max-age-seconds \
         allows: see the agent's log for why it is not linked"
    )
}

#[cfg(test)]
mod tests;
