//! The per-user cache, so that the next run, or the next clone, is fast.

use std::env;
use std::path::PathBuf;

/// `$XDG_CACHE_HOME/lockstep` or `~/.cache/lockstep`.
fn root() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| ".".into())).join(".cache");
    env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("lockstep")
}

/// Where cargo builds: `CARGO_TARGET_DIR`, or the cache.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Where tools are installed that cargo fetches and builds.
pub(crate) fn tools() -> PathBuf {
    root().join("tools")
}
