//! Finds the workspace's own binaries.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// The path of a workspace binary: `lockstep-server`, `lockstep-agent` or `lockstep`.
///
/// Looked for in `LOCKSTEP_BIN_DIR` when that is set, else in the `target/<profile>` folder that the running executable
/// came from. Cargo builds the binaries of other packages only when asked to, hence the error's advice.
pub fn bin(name: &str) -> Result<PathBuf> {
    let folder = match env::var_os("LOCKSTEP_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => profile_folder(&env::current_exe().context("finding the running executable")?),
    };
    let path = folder.join(name);
    if !path.is_file() {
        bail!(
            "there is no {name} in {}: run `cargo build --workspace --bins` (or `cargo xtask test`), or name its folder in LOCKSTEP_BIN_DIR",
            folder.display()
        );
    }
    Ok(path)
}

/// `target/<profile>` for `target/<profile>/xtask`, `target/<profile>/deps/some_test-0123` and `target/<profile>/examples/some`.
fn profile_folder(executable: &Path) -> PathBuf {
    let folder = executable.parent().unwrap_or(Path::new("."));
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("deps" | "examples") => folder.parent().unwrap_or(folder).to_path_buf(),
        _ => folder.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_executable_finds_binaries_one_folder_up() {
        assert_eq!(profile_folder(Path::new("/t/debug/deps/some-01")), Path::new("/t/debug"));
        assert_eq!(profile_folder(Path::new("/t/debug/xtask")), Path::new("/t/debug"));
    }

    #[test]
    fn a_missing_binary_names_the_command_that_builds_it() {
        let error = bin("lockstep-nonesuch").expect_err("there is none").to_string();
        assert!(error.contains("cargo build --workspace --bins"), "{error}");
    }
}
