//! The last known good content on disk, sealed: pods start while neither a server nor a Vault is there, also after a restart.
//!
//! ```text
//! <cache dir>/<binding's id>.sealed   an entry
//! <cache dir>/confirmed.sealed        when a server was last there to say what is newest
//! ```
//!
//! An entry is good only if it is no older than what the ledger says is held, so an older file that is put back is refused.

mod booked;
mod cached;
mod keys;
mod sealed;
mod stored;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use lockstep_core::id::{BindingId, ClusterId};
use lockstep_core::revision::{Epoch, Revision, Seq};
use thiserror::Error;
use uuid::Uuid;

use super::entry::Entry;
use crate::durable;
use booked::Booked;
pub(crate) use booked::Mounted;
pub(crate) use cached::Cached;
pub(crate) use keys::CacheKeys;
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
pub(super) struct Cache {
    dir: PathBuf,
    cluster: ClusterId,
    keys: CacheKeys,
}

impl Cache {
    /// In `dir`, which is made with mode 0700 if it is not there.
    pub(super) fn open(dir: &Path, cluster: ClusterId, keys: CacheKeys) -> Result<Self, CacheError> {
        durable::ensure_directory(dir).map_err(refused("create", dir))?;
        Ok(Self { dir: dir.to_owned(), cluster, keys })
    }

    /// Writes an entry over the one before.
    pub(super) fn store(&self, binding: BindingId, entry: &Entry) -> Result<(), CacheError> {
        let label = Label { binding, revision: entry.stamp.revision };
        self.write(&self.path(binding), label, &stored::encode(entry))
    }

    /// Forgets an entry.
    pub(super) fn remove(&self, binding: BindingId) -> Result<(), CacheError> {
        let path = self.path(binding);
        durable::remove(&path).map_err(refused("remove", &path))
    }

    /// The bindings that there are files of, whatever is in them.
    pub(super) fn bindings(&self) -> Result<Vec<BindingId>, CacheError> {
        let mut bindings = Vec::new();
        for file in fs::read_dir(&self.dir).map_err(refused("list", &self.dir))? {
            let name = file.map_err(refused("list", &self.dir))?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).and_then(|id| id.parse::<Uuid>().ok());
            bindings.extend(id.map(BindingId::from));
        }
        Ok(bindings)
    }

    /// The entry of a binding, if it is no older than what the ledger says. A newer one is good: the ledger is written behind, and an entry
    /// before the delivery is acked. What does not open and is not held is removed: nobody will ever write over it.
    pub(super) fn load(&self, binding: BindingId, booked: Booked) -> Result<Entry, CacheError> {
        let entry = match (self.load_any(binding), booked) {
            (Err(why @ (CacheError::Altered | CacheError::UnknownKey(_))), Booked::NotSince(_) | Booked::Never) => {
                self.remove(binding)?;
                return Err(why);
            }
            (loaded, _) => loaded?,
        };
        let there = entry.stamp.revision;
        match booked {
            Booked::Held(held) if there < held => Err(CacheError::Older { there, held }),
            Booked::NotSince(at) if there <= at => Err(CacheError::GivenUp),
            Booked::Never => Err(CacheError::GivenUp),
            Booked::Held(_) | Booked::NotSince(_) => Ok(entry),
        }
    }

    /// The entry of a binding, of whatever revision.
    pub(super) fn load_any(&self, binding: BindingId) -> Result<Entry, CacheError> {
        self.opened(binding, &read(&self.path(binding))?)
    }

    /// Keeps an entry that another replica sealed, if it opens here.
    pub(super) fn take(&self, binding: BindingId, sealed: &[u8]) -> Result<Entry, CacheError> {
        let entry = self.opened(binding, sealed)?;
        let path = self.path(binding);
        durable::replace(&path, sealed).map_err(refused("write", &path))?;
        Ok(entry)
    }

    /// The file of a binding, if it is of this revision.
    pub(super) fn sealed(&self, binding: BindingId, revision: Revision) -> Option<Vec<u8>> {
        let bytes = read(&self.path(binding)).ok()?;
        (sealed::label(&bytes).ok()?.revision == revision).then_some(bytes)
    }

    fn opened(&self, binding: BindingId, sealed: &[u8]) -> Result<Entry, CacheError> {
        let (label, plain) = sealed::open(&self.keys, self.cluster, sealed)?;
        if label.binding != binding {
            return Err(CacheError::Altered);
        }
        stored::decode(&plain, label.revision).ok_or(CacheError::Altered)
    }

    /// Notes that a server was there to say what is newest.
    pub(super) fn confirm(&self, now: DateTime<Utc>) -> Result<(), CacheError> {
        let seq = Seq::new(now.timestamp().try_into().unwrap_or_default());
        let label = Label { binding: Uuid::nil().into(), revision: Revision { epoch: Epoch::new(0), seq } };
        self.write(&self.dir.join(CONFIRMED), label, &[])
    }

    /// When that was noted last.
    pub(super) fn confirmed(&self) -> Result<DateTime<Utc>, CacheError> {
        let bytes = read(&self.dir.join(CONFIRMED))?;
        let (label, _) = sealed::open(&self.keys, self.cluster, &bytes)?;
        label.confirmed().ok_or(CacheError::Altered)
    }

    /// Removes the file of what is not held any more, and answers why it was not loaded.
    pub(super) fn give_up(&self, binding: BindingId, why: CacheError) -> Result<Entry, CacheError> {
        match why {
            CacheError::GivenUp => self.remove(binding).and(Err(CacheError::GivenUp)),
            other => Err(other),
        }
    }

    /// Removes everything, and of what cannot be removed says the first.
    pub(super) fn purge(&self) -> Result<(), CacheError> {
        // Without it nothing that is left counts after a restart.
        let path = self.dir.join(CONFIRMED);
        let mut done = durable::remove(&path).map_err(refused("remove", &path));
        for binding in self.bindings()? {
            done = done.and(self.remove(binding));
        }
        done
    }

    fn write(&self, path: &Path, label: Label, plain: &[u8]) -> Result<(), CacheError> {
        let sealed = sealed::seal(&self.keys, self.cluster, label, plain)?;
        durable::replace(path, &sealed).map_err(refused("write", path))
    }

    fn path(&self, binding: BindingId) -> PathBuf {
        self.dir.join(format!("{}{SUFFIX}", binding.uuid()))
    }
}

/// Removes the files of a cache, which need not have been opened: that takes no key. Answers how many there were; of
/// what cannot be removed says the first.
pub(super) fn purge(dir: &Path) -> Result<usize, CacheError> {
    let files = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        listed => listed.map_err(refused("list", dir))?,
    };
    // Without it nothing that is left counts after a restart.
    let confirmed = dir.join(CONFIRMED);
    let mut done = durable::remove(&confirmed).map_err(refused("remove", &confirmed));
    let mut count = 0;
    for file in files {
        let path = file.map_err(refused("list", dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // What a crash left of one that was being written, too.
        if name.ends_with(SUFFIX) || name.ends_with(&format!("{SUFFIX}.tmp")) {
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
