//! `cargo xtask demo`.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use crate::cache;
use crate::cargo::cargo;

/// Builds what is missing and becomes the demo.
pub(crate) fn run(arguments: &[&str]) -> ExitCode {
    eprintln!("building Lockstep (the first time takes some minutes)");
    match build() {
        Ok(true) => {}
        Ok(false) => return ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            return ExitCode::FAILURE;
        }
    }
    let program = cache::target().join("debug/lockstep-demo");
    // In our place, not as our child: Ctrl-C and a closed terminal reach the demo alone, and the shell waits until it has ended
    // its parts.
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("xtask: {} cannot be run: {error}", program.display());
    ExitCode::FAILURE
}

fn build() -> Result<bool, String> {
    let mut command = cargo(&["build", "--workspace", "--exclude", "lockstep-fuzz", "--bins"])?;
    let status = command.status().map_err(|error| format!("{command:?} cannot be run: {error}"))?;
    Ok(status.success())
}
