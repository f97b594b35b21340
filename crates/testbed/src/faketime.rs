//! A process whose clock is wrong, by Debian's libfaketime.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::fetch;

const PACKAGE: &str = "libfaketime";
/// The one for programs with more threads than one.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// Where the library is: installed on the machine, in the cache, or fetched.
pub(crate) fn library() -> Result<PathBuf> {
    if let Some(installed) = below(Path::new("/")) {
        return Ok(installed);
    }
    let folder = fetch::debian(PACKAGE)?;
    below(&folder).with_context(|| format!("the package {PACKAGE} has no {LIBRARY}"))
}

/// Debian has a folder for each architecture.
fn below(root: &Path) -> Option<PathBuf> {
    let lib = root.join("usr/lib");
    let folders = fs::read_dir(&lib).ok()?.flatten().map(|entry| entry.path());
    folders.chain([lib]).map(|folder| folder.join(LIBRARY)).find(|library| library.is_file())
}

/// The environment of a process whose wall clock is off by so much, such as `+30s`. What it measures spans of time by is as it should be.
pub fn environment(offset: &str) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("LD_PRELOAD", library()?.display().to_string()),
        ("FAKETIME", offset.to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ])
}
