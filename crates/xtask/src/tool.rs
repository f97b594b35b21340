//! Programs that cargo installs into the cache when they are missing.

use std::path::PathBuf;

use crate::cache;
use crate::cargo::cargo;

/// A program, of the version whose answers we know.
pub(crate) struct Tool {
    /// Its name, which is its crate's.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Further arguments of `cargo install`.
    pub(crate) arguments: &'static [&'static str],
}

impl Tool {
    /// Where it is, after installing it if need be. `Err` says why it cannot be had.
    pub(crate) fn find(&self) -> Result<PathBuf, String> {
        self.installed().map_or_else(|| self.install(), Ok)
    }

    fn installed(&self) -> Option<PathBuf> {
        let program = cache::tools().join("bin").join(self.name);
        program.is_file().then_some(program)
    }

    fn install(&self) -> Result<PathBuf, String> {
        let Self { name, version, .. } = self;
        eprintln!("installing {name} {version} (once; some minutes)");
        let tools = cache::tools().display().to_string();
        let fixed = ["install", name, "--locked", "--version", version, "--root", &tools];
        let status = cargo(&[&fixed, self.arguments].concat())?.status();
        match status {
            Ok(status) if status.success() => self.installed().ok_or_else(|| format!("cargo installed no {name}")),
            _ => Err(format!("{name} {version} could not be installed")),
        }
    }
}
