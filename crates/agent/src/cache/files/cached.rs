//! A look at a cache from outside, without its keys.

use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{CONFIRMED, SUFFIX, read, sealed};

/// What is in a cache.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cached {
    /// How many bindings it has entries of.
    pub(crate) bindings: usize,
    /// When it was last written down that a server is there to say what is newest, as the file says: without its key nobody vouches for it. Whether one
    /// is there now nobody can tell from outside.
    pub(crate) confirmed: Option<DateTime<Utc>>,
}

impl Cached {
    /// In this folder.
    pub(crate) fn look(dir: &Path) -> std::io::Result<Self> {
        let mut names = Vec::new();
        for file in fs::read_dir(dir)? {
            names.push(file?.file_name());
        }
        let is_entry = |name: &&std::ffi::OsString| name.to_str().is_some_and(|n| n.ends_with(SUFFIX) && n != CONFIRMED);
        // Not the file's own time, which is another once it is sealed anew.
        let label = read(&dir.join(CONFIRMED)).and_then(|bytes| sealed::label(&bytes));
        let confirmed = label.ok().and_then(sealed::Label::confirmed);
        Ok(Self { bindings: names.iter().filter(is_entry).count(), confirmed })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::cache::files::{CacheKeys, Files};

    #[test]
    fn how_many_entries_it_has_and_when_a_server_was_last_there_is_seen_without_keys() {
        let dir = tempfile::tempdir().unwrap();
        let keys = CacheKeys::parse(&CacheKeys::generate()).unwrap();
        let files = Files::open(dir.path(), Uuid::from_u128(1).into(), keys, u64::MAX).unwrap();
        fs::write(dir.path().join("5c4b1a4e-0000-4000-8000-000000000001.sealed"), "").unwrap();
        assert_eq!(Cached::look(dir.path()).unwrap(), Cached { bindings: 1, confirmed: None });
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        files.confirm(at).unwrap();
        assert_eq!(Cached::look(dir.path()).unwrap(), Cached { bindings: 1, confirmed: Some(at) });
        fs::write(dir.path().join(CONFIRMED), "not sealed").unwrap();
        assert_eq!(Cached::look(dir.path()).unwrap().confirmed, None);
    }
}
