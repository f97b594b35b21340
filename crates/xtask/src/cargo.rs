//! Running cargo with this repository's target folder.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache;

/// `cargo` with these arguments, at the repository's root. `Err` says where that was looked for.
pub(crate) fn cargo(arguments: &[&str]) -> Result<Command, String> {
    // The cargo that runs us, so that rust-toolchain.toml holds also for what we start.
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root()?).env("CARGO_TARGET_DIR", cache::target());
    Ok(command)
}

/// The repository's root: that of the package cargo runs, else above the current folder. Found now and not when this was built: a
/// checkout may have moved since, and several may share one target folder.
pub(crate) fn root() -> Result<PathBuf, String> {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let current = env::current_dir().map_err(|error| format!("the current folder is gone: {error}"))?;
    let found = package.iter().chain([&current]).find_map(|folder| workspace_above(folder));
    found.ok_or_else(|| format!("there is no Lockstep workspace at or above {}: run this inside a checkout", current.display()))
}

fn workspace_above(folder: &Path) -> Option<PathBuf> {
    let is_root = |folder: &&Path| {
        std::fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|text| text.lines().any(|line| line == "[workspace]"))
    };
    folder.ancestors().find(is_root).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_from_any_folder_below_it_and_from_no_other() {
        let root = root().expect("a root");
        assert!(root.join("crates/xtask").is_dir());
        assert_eq!(workspace_above(&root.join("crates/xtask/src")), Some(root.clone()));
        assert_eq!(workspace_above(Path::new("/")), None);
    }
}
