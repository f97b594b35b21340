//! A look at a cache from outside, without its keys.

use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{CONFIRMED, SUFFIX};
use crate::cache::age::FRESH_MAX;

/// What is in a cache.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cached {
    /// How many bindings it has entries of.
    pub(crate) bindings: usize,
    /// When a server was last there to say what is newest, by the file's own time.
    pub(crate) confirmed: Option<DateTime<Utc>>,
    /// Whether that is too long ago for it to be fresh.
    pub(crate) stale: bool,
}

impl Cached {
    /// In this folder, now.
    pub(crate) fn look(dir: &Path, now: DateTime<Utc>) -> std::io::Result<Self> {
        let mut names = Vec::new();
        for file in fs::read_dir(dir)? {
            names.push(file?.file_name());
        }
        let is_entry = |name: &&std::ffi::OsString| name.to_str().is_some_and(|n| n.ends_with(SUFFIX) && n != CONFIRMED);
        let confirmed = fs::metadata(dir.join(CONFIRMED)).and_then(|of| of.modified()).ok().map(DateTime::from);
        let stale = confirmed.is_none_or(|at: DateTime<Utc>| now - at > FRESH_MAX);
        Ok(Self { bindings: names.iter().filter(is_entry).count(), confirmed, stale })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_cache_is_fresh_for_two_minutes_after_a_server_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let written = |name: &str| fs::write(dir.path().join(name), "").unwrap();
        written("5c4b1a4e-0000-4000-8000-000000000001.sealed");
        let never = Cached::look(dir.path(), DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(never, Cached { bindings: 1, confirmed: None, stale: true });
        written(CONFIRMED);
        let at = Cached::look(dir.path(), DateTime::UNIX_EPOCH).unwrap().confirmed.unwrap();
        for (seconds, stale) in [(0, false), (120, false), (121, true)] {
            let looked = Cached::look(dir.path(), at + TimeDelta::seconds(seconds)).unwrap();
            assert_eq!((looked.bindings, looked.stale), (1, stale), "{seconds}");
        }
    }
}
