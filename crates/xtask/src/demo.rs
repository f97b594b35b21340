//! `cargo xtask demo`.

use std::process::ExitCode;

use crate::cache;
use crate::cargo::cargo;

/// Builds what is missing and runs the demo.
pub(crate) fn run(arguments: &[&str]) -> ExitCode {
    eprintln!("building Lockstep (the first time takes some minutes)");
    match cargo(&["build", "--workspace", "--bins"]).status() {
        Ok(status) if status.success() => {}
        Ok(_) => return ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: cargo cannot be run: {error}");
            return ExitCode::FAILURE;
        }
    }
    let program = cache::target().join("debug/lockstep-demo");
    // Ctrl-C reaches the demo too; it ends its parts, and we wait for it.
    match std::process::Command::new(&program).args(arguments).status() {
        Ok(status) => status.code().and_then(|c| u8::try_from(c).ok()).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            eprintln!("xtask: {} cannot be run: {error}", program.display());
            ExitCode::FAILURE
        }
    }
}
