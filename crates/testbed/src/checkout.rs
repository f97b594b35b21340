//! Files of the checkout that is being tested.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// `path` in the checkout that cargo runs, else in the one that the current folder is in. Found now and not when this was built: a
/// checkout may have moved since, and several may share one target folder.
pub fn find(path: impl AsRef<Path>) -> Result<PathBuf> {
    let path = path.as_ref();
    let current = env::current_dir().context("finding the current folder")?;
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let starts = package.iter().chain([&current]);
    let found = starts.flat_map(|folder| folder.ancestors()).map(|folder| folder.join(path)).find(|found| found.exists());
    found.with_context(|| format!("there is no {} at or above {}: run this inside a checkout", path.display(), current.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_this_checkout_is_found_and_nothing_else_is() {
        assert!(find("deploy/demo").expect("a folder").join("30-bindings.yaml").is_file());
        assert!(find("deploy/no-such-thing").is_err());
    }
}
