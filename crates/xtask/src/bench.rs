//! `cargo xtask bench …`.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use crate::cache;
use crate::cargo::cargo;

/// Builds everything with optimisation and becomes the benchmark.
pub(crate) fn run(arguments: &[&str]) -> ExitCode {
    eprintln!("building Lockstep with optimisation (the first time takes some minutes)");
    let built = cargo(&["build", "--release", "--workspace", "--exclude", "lockstep-fuzz", "--bins"])
        .and_then(|mut command| command.status().map_err(|error| format!("{command:?} cannot be run: {error}")));
    match built {
        Ok(status) if status.success() => {}
        Ok(_) => return ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            return ExitCode::FAILURE;
        }
    }
    let program = cache::target().join("release/lockstep-bench");
    // In our place, not as our child: Ctrl-C reaches the benchmark alone.
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("xtask: {} cannot be run: {error}", program.display());
    ExitCode::FAILURE
}
