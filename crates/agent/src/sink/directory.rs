//! The directory sink: `<root>/<name>/KEY`, the whole content swapped in one step, as Kubernetes swaps the content of a volume.
//!
//! ```text
//! <root>/<name>/..1.42-0/KEY        the content, one directory for each write
//! <root>/<name>/..1.42-0/..lockstep the mark: whose it is, and what
//! <root>/<name>/..data -> ..1.42-0  renamed over: the one step that makes the new content the content
//! <root>/<name>/KEY -> ..data/KEY   what readers open
//! <root>/<name>/..lockstep -> ..data/..lockstep
//! ```
//!
//! A new target is built aside, as `<root>/..lockstep-<binding id>`, and renamed when it is whole: a target that exists without a
//! valid mark is therefore never a leftover of ours but somebody else's.

mod mark;
mod observe;
mod remove;
mod swap;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lockstep_core::name::DirectoryName;
use lockstep_core::render::Rendered;

use super::{Observed, Owner, SinkError, Stamp};
use crate::durable;
use crate::state::keyring::Keys;
use mark::{DirectoryMark, Place};

/// The link that is the content.
const DATA: &str = "..data";
/// The mark's file name, and the link to it.
const MARK: &str = "..lockstep";
/// What a directory that is built or taken away aside begins with, in the root.
const ASIDE: &str = "..lockstep-";

/// A root with a directory for each target.
#[derive(Debug)]
pub(crate) struct Directory {
    root: PathBuf,
}

/// What is at a target's place.
enum Standing {
    Absent,
    Ours,
    Foreign {
        /// Whose it is, and what to do.
        cause: String,
        /// Whether nothing in it tells of us.
        unmarked: bool,
    },
}

impl Directory {
    /// The sink below `root`, which is made with mode 0700 if it is not there. Removes what a crash left aside.
    pub(crate) fn open(root: &Path) -> Result<Self, SinkError> {
        durable::ensure_directory(root).map_err(refused("create", root))?;
        let root = root.canonicalize().map_err(refused("open", root))?;
        let sink = Self { root };
        for entry in fs::read_dir(&sink.root).map_err(refused("list", &sink.root))? {
            let entry = entry.map_err(refused("list", &sink.root))?;
            if entry.file_name().to_string_lossy().starts_with(ASIDE) {
                discard(&entry.path())?;
            }
        }
        Ok(sink)
    }

    /// See [`super::Sinks::apply`].
    pub(crate) fn apply(
        &self,
        name: &DirectoryName,
        owner: Owner,
        stamp: &Stamp,
        content: &Rendered,
        keys: &Keys,
    ) -> Result<(), SinkError> {
        let place = Place { owner, name };
        let mark = DirectoryMark::sign(place, stamp, keys)?;
        match self.standing(place, keys)? {
            Standing::Ours => swap::swap(&self.path(name), content, &mark),
            Standing::Foreign { cause, .. } => Err(SinkError::Conflict(cause)),
            Standing::Absent => {
                let aside = self.aside(owner);
                discard(&aside)?;
                durable::create_directory(&aside).map_err(refused("create", &aside))?;
                let built = swap::swap(&aside, content, &mark).and_then(|()| self.publish(&aside, name));
                if built.is_err() {
                    let _ = fs::remove_dir_all(&aside);
                }
                built
            }
        }
    }

    /// See [`super::Sinks::observe`].
    pub(crate) fn observe(&self, name: &DirectoryName, owner: Owner, keys: &Keys) -> Result<Observed, SinkError> {
        let place = Place { owner, name };
        match self.standing(place, keys)? {
            Standing::Absent => Ok(Observed::Absent),
            Standing::Foreign { .. } => Ok(Observed::Foreign),
            Standing::Ours => observe::content(&self.path(name), place, keys),
        }
    }

    /// See [`super::Sinks::remove`].
    pub(crate) fn remove(&self, name: &DirectoryName, owner: Owner, keys: &Keys) -> Result<(), SinkError> {
        match self.standing(Place { owner, name }, keys)? {
            // What somebody else made in its place since is none of ours.
            Standing::Absent | Standing::Foreign { unmarked: true, .. } => Ok(()),
            Standing::Foreign { cause, .. } => Err(SinkError::Conflict(cause)),
            Standing::Ours => remove::remove(&self.path(name), &self.aside(owner), &self.root),
        }
    }

    /// Whose the target's place is. A link is never followed: it could lead out of the root.
    fn standing(&self, place: Place<'_>, keys: &Keys) -> Result<Standing, SinkError> {
        let path = self.path(place.name);
        let metadata = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Standing::Absent),
            found => found.map_err(refused("look at", &path))?,
        };
        if !metadata.is_dir() {
            let what = if metadata.is_symlink() { "a symbolic link" } else { "not a directory" };
            let cause = format!("{} is {what} that Lockstep did not make: move it away", path.display());
            return Ok(Standing::Foreign { cause, unmarked: false });
        }
        let mut another = None;
        for mark in mark::marks_in(&path)? {
            match mark.standing(place, keys) {
                mark::MarkStanding::Ours => return Ok(Standing::Ours),
                mark::MarkStanding::OtherBinding(binding) => another = Some(binding),
                mark::MarkStanding::Invalid => {}
            }
        }
        let cause = match another {
            Some(binding) => format!("{} belongs to binding {binding}: give one of the two another target", path.display()),
            None => format!(
                "{} exists and does not carry this binding's mark: move it away, or choose another target",
                path.display()
            ),
        };
        Ok(Standing::Foreign { cause, unmarked: mark::is_unmarked(&path)? })
    }

    /// Makes a whole directory the target. Renaming never replaces a directory that has something in it.
    fn publish(&self, aside: &Path, name: &DirectoryName) -> Result<(), SinkError> {
        let path = self.path(name);
        fs::rename(aside, &path).map_err(refused("create", &path))?;
        durable::sync_directory(&self.root).map_err(refused("flush", &self.root))
    }

    fn path(&self, name: &DirectoryName) -> PathBuf {
        self.root.join(name.as_str())
    }

    fn aside(&self, owner: Owner) -> PathBuf {
        self.root.join(format!("{ASIDE}{}", owner.binding))
    }
}

/// Removes a directory of ours, or what is in its place, without following links.
fn discard(path: &Path) -> Result<(), SinkError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(refused("remove", path))
}

/// For `map_err`.
fn refused(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SinkError {
    let path = path.to_owned();
    move |source| SinkError::Io { doing, path, source }
}

#[cfg(test)]
mod tests;
