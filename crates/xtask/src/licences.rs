//! `cargo deny`: licences, bans and sources. Installed into the cache by cargo when it is missing.

use std::path::PathBuf;
use std::process::Command;

use crate::cache;
use crate::cargo::{cargo, root};

/// The version whose answers we know.
const VERSION: &str = "0.20.2";

/// The check. `Err` says why it cannot run.
pub(crate) fn check() -> Result<Command, String> {
    let program = installed().map_or_else(install, Ok)?;
    let mut command = Command::new(program);
    // Advisories need a database that is not everywhere to be had: see deny.toml.
    command.args(["--log-level", "error", "check", "licenses", "bans", "sources"]).current_dir(root()?);
    Ok(command)
}

fn installed() -> Option<PathBuf> {
    let program = cache::tools().join("bin/cargo-deny");
    program.is_file().then_some(program)
}

fn install() -> Result<PathBuf, String> {
    eprintln!("installing cargo-deny {VERSION} (once; some minutes)");
    let tools = cache::tools().display().to_string();
    let status = cargo(&["install", "cargo-deny", "--locked", "--version", VERSION, "--root", &tools])?.status();
    match status {
        Ok(status) if status.success() => installed().ok_or_else(|| "cargo installed no cargo-deny".to_owned()),
        _ => Err(format!("cargo-deny {VERSION} could not be installed")),
    }
}
