//! The last known good content on disk, sealed: pods start, and Secrets come back, while neither a server nor a Vault is there, also after a
//! restart.
//!
//! | module | what it is |
//! |---|---|
//! | `files` | the sealed files, and their keys |
//! | `booked` | what the ledger says of them: pure |
//! | `age` | how long what nobody confirms may be used: pure |
//! | `secret` | the content of a Secret target, as an entry |

mod age;
mod booked;
mod files;
mod secret;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::revision::Revision;
use lockstep_proto::node::CacheEntry;
use prometheus::IntCounter;
use prost::Message as _;
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

use crate::clock::Clock;
use crate::command::CacheArguments;
use age::Age;
pub(crate) use age::Standing;
pub(crate) use booked::Bookings;
pub(crate) use files::{CacheError, CacheKeys, Cached, Files, Opened};
pub(crate) use secret::KeptSecret;

/// An entry as bytes, before it is sealed; the message that held its values is wiped.
pub(crate) fn encode(mut entry: CacheEntry) -> Zeroizing<Vec<u8>> {
    let bytes = Zeroizing::new(entry.encode_to_vec());
    entry.keys.iter_mut().for_each(|key| key.value.zeroize());
    bytes
}

/// The cache of this replica: its files, once they are open, and how old what is in them is.
pub(crate) struct Cache {
    clock: Arc<dyn Clock>,
    age: Age,
    /// Where its files are to be.
    dir: Option<PathBuf>,
    /// How much they may have.
    max_bytes: u64,
    /// Whether the content of Secret targets is kept too.
    keeps_secrets: bool,
    files: RwLock<Option<Arc<Files>>>,
    /// Whether it was said that something does not fit.
    is_full_said: AtomicBool,
    failures: IntCounter,
}

impl Cache {
    /// Without files yet.
    pub(crate) fn new(clock: Arc<dyn Clock>, arguments: &CacheArguments, failures: IntCounter) -> Self {
        Self {
            clock,
            age: Age::new(arguments.max_age()),
            dir: arguments.dir.clone(),
            max_bytes: arguments.max_bytes,
            keeps_secrets: arguments.secrets,
            files: RwLock::default(),
            is_full_said: AtomicBool::new(false),
            failures,
        }
    }

    /// Whether the content of Secret targets is kept too.
    pub(crate) fn keeps_secrets(&self) -> bool {
        self.keeps_secrets
    }

    /// Opens the files in `dir`; [`Cache::use_files`] follows.
    pub(crate) fn open(&self, dir: &Path, cluster: ClusterId, keys: CacheKeys) -> Result<Arc<Files>, CacheError> {
        Files::open(dir, cluster, keys, self.max_bytes).map(Arc::new)
    }

    /// Keeps everything there from now on.
    pub(crate) fn use_files(&self, files: Arc<Files>) {
        *self.files.write().unwrap_or_else(PoisonError::into_inner) = Some(files);
    }

    /// The files, once they are open.
    pub(crate) fn files(&self) -> Option<Arc<Files>> {
        self.files.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// There are none, and why; everything else goes on.
    pub(crate) fn unusable(&self, why: &dyn fmt::Display) {
        self.failures.inc();
        tracing::error!(%why, "nothing is cached: after a restart what pods may mount comes from a server only, and no Secret is restored without one");
    }

    /// Work on the files, if they are open. What fails there fails nothing else.
    pub(crate) fn in_files(&self, work: impl FnOnce(&Files) -> Result<(), CacheError>) {
        let Some(Err(error)) = self.files().map(|files| work(&files)) else { return };
        self.failures.inc();
        match error {
            // It is so for each delivery from now on.
            CacheError::Full { .. } if self.is_full_said.swap(true, Ordering::Relaxed) => tracing::debug!(%error, "not cached"),
            CacheError::Full { .. } => tracing::error!(
                %error,
                "not all is cached: after a restart the rest comes from a server only; raise --cache-max-bytes, and the limit of the cache's volume (said once; lockstep_agent_volume_cache_failures_total counts on)"
            ),
            error => tracing::warn!(%error, "the cache is not up to date: after a restart it cannot be used for this"),
        }
    }

    /// What `take` makes of the entries in `files`, as the ledger books them and as far as there may be so much. What is not held any more is
    /// removed, and what cannot be used is said. The content of a Secret target stays on disk only.
    pub(crate) fn load<T>(
        &self,
        files: &Files,
        bookings: &Bookings,
        take: impl Fn(&Opened) -> Option<T>,
    ) -> BTreeMap<BindingId, T> {
        let (within, beyond) = files.bindings(|binding| bookings.is_held(binding));
        let mut left = 0;
        for binding in beyond {
            if bookings.is_held(binding) {
                left += 1;
            } else {
                self.told(binding, files.remove(binding));
            }
        }
        if left > 0 {
            self.failures.inc_by(left);
            tracing::error!(
                entries = left,
                "the cache has more than --cache-max-bytes allows: so many of its entries are not used, and come anew from a server; raise it, and the limit of the volume"
            );
        }
        let (mut taken, mut exchanged) = (BTreeMap::new(), 0);
        for binding in within {
            let loaded = files.load(binding, bookings.of(binding)).and_then(|opened| self.sort(files, bookings, &opened, &take));
            match loaded {
                Ok(one) => {
                    taken.extend(one.map(|one| (binding, one)));
                    exchanged += self.told(binding, files.exchange(binding)).map_or(0, usize::from);
                }
                Err(CacheError::GivenUp) => drop(self.told(binding, files.remove(binding))),
                Err(why) => {
                    self.tell(binding, &why);
                    if !bookings.is_held(binding) {
                        self.told(binding, files.remove(binding));
                    }
                }
            }
        }
        // Whoever goes by it says if there is none.
        if let Err(why) = files.confirmed().map_or(Ok(false), |_| files.exchange_confirmed()) {
            self.failures.inc();
            tracing::warn!(%why, "when a server was last there is still sealed with an older key: do not drop that key yet");
        }
        if exchanged > 0 {
            tracing::info!(entries = exchanged, "sealed anew with the first of the cache's keys");
        }
        taken
    }

    /// An entry that is for `take`; `None`: it is the content of a Secret target, and stays where it is.
    fn sort<T>(
        &self,
        files: &Files,
        bookings: &Bookings,
        opened: &Opened,
        take: impl Fn(&Opened) -> Option<T>,
    ) -> Result<Option<T>, CacheError> {
        let is_secret = KeptSecret::decode(opened).is_some();
        if !bookings.is_of_its_target(opened.binding, is_secret) || is_secret && !self.keeps_secrets {
            // Of a target that the binding had before, or left by another setting.
            return Err(CacheError::GivenUp);
        }
        if is_secret {
            files.note_secret(opened.binding, opened.revision);
            return Ok(None);
        }
        take(opened).map(Some).ok_or(CacheError::Altered)
    }

    fn told<T>(&self, binding: BindingId, done: Result<T, CacheError>) -> Option<T> {
        done.inspect_err(|why| self.tell(binding, why)).ok()
    }

    fn tell(&self, binding: BindingId, why: &CacheError) {
        self.failures.inc();
        tracing::warn!(%binding, %why, "what the cache has of a binding is not used, or is still sealed with an older key; it comes anew from a server");
    }

    /// Keeps the content of a Secret target, which is everywhere now; sealed is all that is left of it here.
    pub(crate) fn keep_secret(&self, binding: BindingId, revision: Revision, kept: &KeptSecret) {
        self.in_files(|files| files.store_secret(binding, revision, &kept.encode()));
    }

    /// Keeps one that another replica sealed.
    pub(crate) fn take_secret(&self, opened: &Opened, sealed: &[u8]) {
        if self.keeps_secrets {
            self.in_files(|files| files.keep_secret(opened.binding, opened.revision, &files.with_first_key(sealed)?));
        }
    }

    /// There is no content of a Secret target for this binding any more.
    pub(crate) fn forget_secret(&self, binding: BindingId) {
        self.in_files(|files| if files.secrets().contains_key(&binding) { files.remove(binding) } else { Ok(()) });
    }

    /// The content of a Secret target, of exactly this revision.
    pub(crate) fn secret(&self, binding: BindingId, revision: Revision) -> Result<KeptSecret, NotKept> {
        match self.standing() {
            Standing::Fresh | Standing::Stale(_) => {}
            Standing::TooOld(since) => return Err(NotKept::TooOld(since)),
        }
        let files = self.files().ok_or(NotKept::Absent)?;
        match files.secrets().get(&binding) {
            None => return Err(NotKept::Absent),
            Some(there) if *there != revision => return Err(NotKept::Other { there: *there, held: revision }),
            Some(_) => {}
        }
        let opened = files.load_any(binding)?;
        if opened.revision != revision {
            return Err(NotKept::Other { there: opened.revision, held: revision });
        }
        KeptSecret::decode(&opened).ok_or(NotKept::Cache(CacheError::Altered))
    }

    /// Which contents of Secret targets there are, and of which revision.
    pub(crate) fn secrets(&self) -> BTreeMap<BindingId, Revision> {
        self.files().map(|files| files.secrets()).unwrap_or_default()
    }

    /// A server is there to say what is newest, or is not any more. Said again while it lasts.
    pub(crate) fn set_linked(&self, is_linked: bool) {
        let now = self.clock.now();
        self.age.set_linked(is_linked, now);
        if is_linked {
            self.in_files(|files| files.confirm(now));
        }
    }

    /// How what is held may be used now.
    pub(crate) fn standing(&self) -> Standing {
        self.age.standing(self.clock.now())
    }

    /// Whether a server is there, and when one last was.
    pub(crate) fn known(&self) -> (bool, Option<DateTime<Utc>>) {
        self.age.known()
    }

    /// A server was there at that time, as it was written down or told.
    pub(crate) fn confirmed_at(&self, at: DateTime<Utc>) {
        self.age.confirmed_at(at);
    }

    /// Nothing is known of a server any more.
    pub(crate) fn forget_age(&self) {
        self.age.forget();
    }

    /// Removes everything, also where it was never opened or its keys could not be read: the cluster was revoked. Answers how many files there
    /// were.
    pub(crate) fn purge(&self) -> usize {
        self.age.forget();
        let removed = self.dir.as_deref().map_or(Ok(0), files::purge).unwrap_or_else(|error| {
            self.failures.inc();
            tracing::error!(%error, "the cluster is revoked, and its cache cannot be removed: remove it");
            0
        });
        self.in_files(Files::purge);
        removed
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("files", &self.files()).finish_non_exhaustive()
    }
}

/// Why the content of a Secret target is not taken from the cache.
#[derive(Debug, Error)]
pub(crate) enum NotKept {
    /// There is none.
    #[error("the cache does not have it")]
    Absent,
    /// There is an older one, or one that the ledger does not know of.
    #[error("the cache has revision {there}, and {held} is held")]
    Other {
        /// Its own.
        there: Revision,
        /// What the ledger says.
        held: Revision,
    },
    /// For too long nobody could say whether it is the newest.
    #[error("no Lockstep server could be asked for longer than --cache-max-age-seconds allows (last: {0:?})")]
    TooOld(Option<DateTime<Utc>>),
    /// It cannot be read.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

#[cfg(test)]
mod tests;
