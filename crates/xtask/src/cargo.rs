//! Running cargo with this repository's target folder.

use std::path::Path;
use std::process::Command;

use crate::cache;

/// `cargo` with these arguments, at the repository's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    // The cargo that runs us, so that rust-toolchain.toml holds also for what we start.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root()).env("CARGO_TARGET_DIR", cache::target());
    command
}

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
