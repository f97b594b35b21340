//! The sealed files.
//!
//! ```text
//! <cache dir>/<binding's id>.sealed   an entry
//! <cache dir>/confirmed.sealed        when a server was last there to say what is newest
//! ```
//!
//! An entry is good only if it is no older than what the ledger says is held, so an older file that is put back is refused.

mod cached;
mod exchange;
mod keys;
mod room;
mod sealed;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use chrono::{DateTime, Utc};
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::revision::{Epoch, Revision, Seq};
use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::booked::Booked;
use crate::durable;
pub(crate) use cached::Cached;
pub(crate) use keys::CacheKeys;
use room::Room;
use sealed::Label;

const SUFFIX: &str = ".sealed";
const CONFIRMED: &str = "confirmed.sealed";
/// The largest file that is read: the largest content, with room for its names.
const FILE_MAX_BYTES: u64 = 4 << 20;

/// Why something cannot be cached, or is not taken from the cache.
#[derive(Debug, Error)]
pub(crate) enum CacheError {
    /// The keys cannot be used.
    #[error("the cache's keys cannot be used: {0}")]
    Keys(String),
    /// Sealed with a key that is not among those.
    #[error("it was sealed with key {0}, which is not among the cache's keys")]
    UnknownKey(String),
    /// Not as it was sealed, or in another cluster.
    #[error("it is not as it was sealed in this cluster")]
    Altered,
    /// Older than what is held.
    #[error("it is of revision {there}, and {held} is held")]
    Older {
        /// Its own.
        there: Revision,
        /// What the ledger says.
        held: Revision,
    },
    /// Of what is not held any more.
    #[error("it is not held any more")]
    GivenUp,
    /// There is no room for it.
    #[error("with its {bytes} bytes the cache would have more than --cache-max-bytes allows, {max_bytes}")]
    Full {
        /// Its own.
        bytes: u64,
        /// The limit.
        max_bytes: u64,
    },
    /// It does not seal.
    #[error("it cannot be sealed")]
    Seal,
    /// The system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// A directory of sealed entries.
#[derive(Debug)]
pub(crate) struct Files {
    dir: PathBuf,
    cluster: ClusterId,
    keys: RwLock<CacheKeys>,
    room: Room,
    /// Which of them are contents of Secret targets, of which revision: nobody is given those, they are only kept.
    secrets: Mutex<BTreeMap<BindingId, Revision>>,
}

/// What is inside an entry.
pub(crate) struct Opened {
    pub(crate) binding: BindingId,
    pub(crate) revision: Revision,
    pub(crate) plain: Zeroizing<Vec<u8>>,
}

impl Files {
    /// In `dir`, which is made with mode 0700 if it is not there. Its files have no more than `max_bytes`, but for what was there before.
    pub(super) fn open(dir: &Path, cluster: ClusterId, keys: CacheKeys, max_bytes: u64) -> Result<Self, CacheError> {
        durable::ensure_directory(dir).map_err(refused("create", dir))?;
        let room = Room::new(max_bytes, files(dir)?);
        Ok(Self { dir: dir.to_owned(), cluster, keys: RwLock::new(keys), room, secrets: Mutex::default() })
    }

    /// Goes on with these keys.
    pub(crate) fn use_keys(&self, keys: CacheKeys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Writes an entry over the one before. If there is no room for it, the one before is removed all the same: it is not the newest.
    pub(crate) fn store(&self, binding: BindingId, revision: Revision, plain: &[u8]) -> Result<(), CacheError> {
        self.keep(binding, &self.seal(Label { binding, revision }, plain)?)
    }

    /// The same with what is sealed already.
    pub(crate) fn keep(&self, binding: BindingId, sealed: &[u8]) -> Result<(), CacheError> {
        self.with_secrets(|secrets| secrets.remove(&binding));
        let (path, bytes) = (self.path(binding), sealed.len() as u64);
        if !self.room.reserve(bytes) {
            self.remove(binding)?;
            if !self.room.reserve(bytes) {
                return Err(CacheError::Full { bytes, max_bytes: self.room.max_bytes() });
            }
        }
        let written = durable::replace(&path, sealed).map_err(refused("write", &path));
        self.room.settle(binding, bytes, written.is_ok());
        written
    }

    /// An entry with the content of a Secret target.
    pub(super) fn store_secret(&self, binding: BindingId, revision: Revision, plain: &[u8]) -> Result<(), CacheError> {
        self.keep_secret(binding, revision, &self.seal(Label { binding, revision }, plain)?)
    }

    /// The same with what is sealed already.
    pub(super) fn keep_secret(&self, binding: BindingId, revision: Revision, sealed: &[u8]) -> Result<(), CacheError> {
        self.keep(binding, sealed)?;
        self.note_secret(binding, revision);
        Ok(())
    }

    /// An entry that is there has the content of a Secret target.
    pub(super) fn note_secret(&self, binding: BindingId, revision: Revision) {
        self.with_secrets(|secrets| secrets.insert(binding, revision));
    }

    /// The entries with contents of Secret targets.
    pub(crate) fn secrets(&self) -> BTreeMap<BindingId, Revision> {
        self.with_secrets(|secrets| secrets.clone())
    }

    /// Forgets an entry.
    pub(crate) fn remove(&self, binding: BindingId) -> Result<(), CacheError> {
        let path = self.path(binding);
        durable::remove(&path).map_err(refused("remove", &path))?;
        self.with_secrets(|secrets| secrets.remove(&binding));
        self.room.removed(binding);
        Ok(())
    }

    /// The bindings that there are files of, whatever is in them, as long as they have no more than they may have; and those beyond it, of
    /// which nothing is read. What `is_first` says is the last to be left out.
    pub(super) fn bindings(&self, is_first: impl Fn(BindingId) -> bool) -> (Vec<BindingId>, Vec<BindingId>) {
        self.room.within(is_first)
    }

    /// The entry of a binding, if it is no older than what the ledger says. A newer one is good: the ledger is written behind, and an entry
    /// before the delivery is acked.
    pub(super) fn load(&self, binding: BindingId, booked: Booked) -> Result<Opened, CacheError> {
        let opened = self.load_any(binding)?;
        let there = opened.revision;
        match booked {
            Booked::Held(held) if there < held => Err(CacheError::Older { there, held }),
            Booked::NotSince(at) if there <= at => Err(CacheError::GivenUp),
            Booked::Never => Err(CacheError::GivenUp),
            Booked::Held(_) | Booked::NotSince(_) | Booked::Unknown => Ok(opened),
        }
    }

    /// The entry of a binding, of whatever revision.
    pub(super) fn load_any(&self, binding: BindingId) -> Result<Opened, CacheError> {
        self.open_sealed(binding, &read(&self.path(binding))?)
    }

    /// An entry that another replica sealed, if it opens here.
    pub(crate) fn open_sealed(&self, binding: BindingId, sealed: &[u8]) -> Result<Opened, CacheError> {
        let (label, plain) = sealed::open(&self.keys(), self.cluster, sealed)?;
        if label.binding != binding {
            return Err(CacheError::Altered);
        }
        Ok(Opened { binding, revision: label.revision, plain })
    }

    /// The file of a binding, if it is of this revision.
    pub(crate) fn sealed(&self, binding: BindingId, revision: Revision) -> Option<Vec<u8>> {
        let bytes = read(&self.path(binding)).ok()?;
        (sealed::label(&bytes).ok()?.revision == revision).then_some(bytes)
    }

    /// Notes that a server was there to say what is newest.
    pub(super) fn confirm(&self, now: DateTime<Utc>) -> Result<(), CacheError> {
        let seq = Seq::new(now.timestamp().try_into().unwrap_or_default());
        let label = Label { binding: Uuid::nil().into(), revision: Revision { epoch: Epoch::new(0), seq } };
        let path = self.dir.join(CONFIRMED);
        durable::replace(&path, &self.seal(label, &[])?).map_err(refused("write", &path))
    }

    /// When that was noted last.
    pub(crate) fn confirmed(&self) -> Result<DateTime<Utc>, CacheError> {
        let bytes = read(&self.dir.join(CONFIRMED))?;
        let (label, _) = sealed::open(&self.keys(), self.cluster, &bytes)?;
        label.confirmed().ok_or(CacheError::Altered)
    }

    /// Removes everything, and of what cannot be removed says the first.
    pub(super) fn purge(&self) -> Result<(), CacheError> {
        // Without it nothing that is left counts after a restart.
        let path = self.dir.join(CONFIRMED);
        let mut done = durable::remove(&path).map_err(refused("remove", &path));
        for (binding, _) in files(&self.dir)? {
            done = done.and(self.remove(binding));
        }
        done
    }

    fn seal(&self, label: Label, plain: &[u8]) -> Result<Vec<u8>, CacheError> {
        sealed::seal(&self.keys(), self.cluster, label, plain)
    }

    fn keys(&self) -> RwLockReadGuard<'_, CacheKeys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_secrets<T>(&self, work: impl FnOnce(&mut BTreeMap<BindingId, Revision>) -> T) -> T {
        work(&mut self.secrets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn path(&self, binding: BindingId) -> PathBuf {
        self.dir.join(format!("{}{SUFFIX}", binding.uuid()))
    }
}

/// The entries' files in a folder, with their sizes. What a crash left of one that was being written is removed: it only takes room.
fn files(dir: &Path) -> Result<Vec<(BindingId, u64)>, CacheError> {
    let mut files = Vec::new();
    for file in fs::read_dir(dir).map_err(refused("list", dir))? {
        let file = file.map_err(refused("list", dir))?;
        let name = file.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.strip_suffix(durable::ASIDE).is_some_and(|of| of.ends_with(SUFFIX)) {
            durable::remove(&file.path()).map_err(refused("remove", &file.path()))?;
        } else if let Some(id) = name.strip_suffix(SUFFIX).and_then(|id| id.parse::<Uuid>().ok()) {
            files.push((id.into(), file.metadata().map_err(refused("read", &file.path()))?.len()));
        }
    }
    Ok(files)
}

/// Removes the files of a cache, which need not have been opened: that takes no key. Answers how many there were; of
/// what cannot be removed says the first.
pub(super) fn purge(dir: &Path) -> Result<usize, CacheError> {
    let there = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        listed => listed.map_err(refused("list", dir))?,
    };
    // Without it nothing that is left counts after a restart.
    let confirmed = dir.join(CONFIRMED);
    let mut done = durable::remove(&confirmed).map_err(refused("remove", &confirmed));
    let mut count = 0;
    for file in there {
        let path = file.map_err(refused("list", dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // What a crash left of one that was being written, too.
        if name.strip_suffix(durable::ASIDE).unwrap_or(name).ends_with(SUFFIX) {
            count += 1;
            done = done.and(durable::remove(&path).map_err(refused("remove", &path)));
        }
    }
    done.map(|()| count)
}

fn read(path: &Path) -> Result<Vec<u8>, CacheError> {
    let size = fs::metadata(path).map_err(refused("read", path))?.len();
    if size > FILE_MAX_BYTES {
        return Err(CacheError::Altered);
    }
    fs::read(path).map_err(refused("read", path))
}

fn refused<'a>(doing: &'static str, path: &'a Path) -> impl Fn(io::Error) -> CacheError + 'a {
    move |source| CacheError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
