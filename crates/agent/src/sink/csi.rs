//! What pods may mount: nothing is written in the cluster, node agents ask for it.
//!
//! It is in memory, opened. With a cache it is on disk too, sealed, so that pods start while neither a server nor a Vault is there.
//!
//! | module | what it is |
//! |---|---|
//! | `entry`, `wanted`, `look_up` | what one binding gives, what a pod asks for, and what it is given: pure |
//! | `age` | how long what nobody confirms may be used: pure |
//! | `cache` | the sealed files |
//! | `replica` | the same in a replica that stands by |

mod age;
mod cache;
mod entry;
mod look_up;
mod replica;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use lockstep_core::binding::CsiTarget;
use lockstep_core::id::{BindingId, ClusterId};
use tokio::sync::watch;

use super::{Observed, SinkError, Stamp};
use crate::clock::Clock;
use crate::delivery::Put;
use crate::metrics::VolumesMetrics;
use crate::state::keyring::Keys;
use age::{Age, Standing};
use cache::Cache;
pub(crate) use cache::{CacheError, CacheKeys, Cached, Mounted};
use entry::Entry;
pub(crate) use replica::{Caching, Level};
pub(crate) use wanted::{Asker, Found, NotGiven, Source, Wanted};

/// What pods may mount.
pub(crate) struct Csi {
    entries: RwLock<BTreeMap<BindingId, Entry>>,
    clock: Arc<dyn Clock>,
    age: Age,
    cache: RwLock<Option<Arc<Cache>>>,
    /// Moves with every change of entries.
    changed: watch::Sender<()>,
    metrics: VolumesMetrics,
    /// What is held and not here: the ledger says so, and the cache did not have it.
    lacked: Mutex<BTreeSet<BindingId>>,
    caching: Mutex<Caching>,
}

impl Csi {
    /// With nothing in it. What no server confirmed for `age_max` is not given any more.
    pub(crate) fn new(clock: Arc<dyn Clock>, age_max: Duration, metrics: VolumesMetrics) -> Self {
        Self {
            entries: RwLock::default(),
            clock,
            age: Age::new(age_max),
            cache: RwLock::default(),
            changed: watch::Sender::default(),
            metrics,
            lacked: Mutex::default(),
            caching: Mutex::new(Caching::NotYet),
        }
    }

    /// Takes what the cache in `dir` has of what is held, and keeps everything there from now on. What cannot be used is left out and said,
    /// and what is not held any more is removed. A folder that cannot be used stops nothing else.
    pub(crate) fn open_cache(&self, dir: &Path, cluster: ClusterId, keys: CacheKeys, booked: &Mounted) {
        match self.try_open_cache(dir, cluster, keys, booked) {
            Ok(()) => self.set_caching(Caching::Settled),
            Err(error) => self.not_cached(&error),
        }
    }

    /// There is no cache, and why; everything else goes on.
    pub(crate) fn not_cached(&self, why: &dyn fmt::Display) {
        self.set_caching(Caching::Without);
        self.metrics.cache_failures.inc();
        tracing::error!(%why, "what pods may mount is not cached: after a restart it comes from a server only");
    }

    fn try_open_cache(&self, dir: &Path, cluster: ClusterId, keys: CacheKeys, booked: &Mounted) -> Result<(), CacheError> {
        let cache = Cache::open(dir, cluster, keys)?;
        // What it had while it stood by is on disk too, and the ledger has the last word on it.
        self.write(BTreeMap::clear);
        for binding in cache.bindings()? {
            match cache.load(binding, booked.of(binding)).or_else(|why| cache.give_up(binding, why)) {
                Err(CacheError::GivenUp) => {}
                Ok(entry) => self.write(|entries| drop(entries.insert(binding, entry))),
                Err(why) => {
                    self.metrics.cache_failures.inc();
                    tracing::warn!(%binding, %why, "what the cache has of a binding is not used; it comes anew from a server");
                }
            }
        }
        match cache.confirmed() {
            Ok(at) => self.age.confirmed_at(at),
            Err(why) => tracing::info!(%why, "the cache does not say when a server was last there"),
        }
        let lacked: BTreeSet<BindingId> = self.read(|entries| booked.held().filter(|id| !entries.contains_key(id)).collect());
        tracing::info!(entries = self.len(), lacked = lacked.len(), "opened the cache of what pods may mount");
        self.with_lacked(|set| *set = lacked);
        self.use_cache(cache);
        Ok(())
    }

    /// See [`super::Sinks::apply`].
    pub(crate) fn apply(&self, put: &Put, target: CsiTarget, stamp: Stamp, keys: &Keys) -> Result<(), SinkError> {
        let key = keys.get(&stamp.digest.key).ok_or_else(|| SinkError::UnknownKey(stamp.digest.key.as_str().to_owned()))?;
        let entry = Entry::new(put, target, stamp, key);
        // Pods get it even if the disk is full: an older file does not count, because the ledger says another revision.
        self.in_cache(|cache| cache.store(put.binding, &entry));
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
        self.in_cache(|cache| cache.remove(binding));
    }

    /// No pod mounts anything any more: the cluster was revoked. `dir`: where the cache is.
    pub(crate) fn purge(&self, dir: Option<&Path>) {
        let count = self.len();
        self.age.forget();
        self.with_lacked(BTreeSet::clear);
        self.write(BTreeMap::clear);
        self.in_cache(Cache::purge);
        // Also where it was never opened, or its keys could not be read.
        let left = dir.map_or(Ok(0), cache::purge).unwrap_or_else(|error| {
            self.metrics.cache_failures.inc();
            tracing::error!(%error, "the cluster is revoked, and its cache cannot be removed: remove it");
            0
        });
        if count + left > 0 {
            tracing::warn!(count, "what pods may mount is forgotten, and its cache removed: the cluster is revoked");
        }
    }

    /// A server is there to say what is newest, or is not any more. Said again while it lasts.
    pub(crate) fn set_linked(&self, is_linked: bool) {
        let now = self.clock.now();
        self.age.set_linked(is_linked, now);
        if is_linked {
            self.in_cache(|cache| cache.confirm(now));
        }
    }

    /// What a pod may have of what it asks for.
    pub(crate) fn look_up(&self, asker: Asker<'_>, wanted: &Wanted) -> Result<Found, NotGiven> {
        let standing = self.age.standing(self.clock.now());
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

    fn use_cache(&self, cache: Cache) {
        *self.cache.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(cache));
    }

    fn cache(&self) -> Option<Arc<Cache>> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Work on the cache, if there is one. What fails there fails nothing else.
    fn in_cache(&self, work: impl FnOnce(&Cache) -> Result<(), CacheError>) {
        if let Some(Err(error)) = self.cache().map(|cache| work(&cache)) {
            self.metrics.cache_failures.inc();
            tracing::warn!(%error, "the cache of what pods may mount is not up to date: after a restart it cannot be used for this");
        }
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
