//! `cargo deny`: licences, bans and sources.

use std::process::Command;

use crate::cargo::root;
use crate::tool::Tool;

const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", arguments: &[] };

/// The check. `Err` says why it cannot run.
pub(crate) fn check() -> Result<Command, String> {
    let mut command = Command::new(DENY.find()?);
    // Advisories need a database that is not everywhere to be had: see deny.toml.
    command.args(["--log-level", "error", "check", "licenses", "bans", "sources"]).current_dir(root()?);
    Ok(command)
}
