//! The per-user cache where fetched parts stay.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// `$XDG_CACHE_HOME/lockstep`, or `~/.cache/lockstep`.
pub fn folder() -> Result<PathBuf> {
    // The XDG base directory specification says that a relative value is to be ignored.
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = match cache {
        Some(cache) => cache,
        None => env::home_dir().context("no place for the cache: set HOME or XDG_CACHE_HOME")?.join(".cache"),
    };
    Ok(cache.join("lockstep"))
}

/// Where fetched parts stay, one folder for each part and version.
pub fn parts() -> Result<PathBuf> {
    Ok(folder()?.join("parts"))
}
