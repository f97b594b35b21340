//! `cargo xtask fuzz`: searching with libFuzzer. What `cargo xtask test` runs of the targets needs none of this.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::cache;
use crate::cargo::{cargo, root};

/// The version that the targets were run with.
const VERSION: &str = "0.13.2";
const FOLDER: &str = "tests/fuzz";

/// Runs a target for so many seconds.
pub(crate) fn run(target: &str, seconds: &str) -> ExitCode {
    match seconds.parse().map_err(|_| format!("{seconds:?} is no number of seconds")).and_then(|seconds| search(target, seconds))
    {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn search(target: &str, seconds: u32) -> Result<bool, String> {
    let corpus = format!("{FOLDER}/corpus/{target}");
    let seeds = cargo(&["run", "--quiet", "--package", "lockstep-fuzz", "--bin", target, "--", "--seeds", &corpus])?;
    if !succeeds(seeds)? {
        return Ok(false);
    }
    let mut command = Command::new(installed().map_or_else(install, Ok)?);
    command.args([
        "run",
        "--fuzz-dir",
        FOLDER,
        "--sanitizer",
        "none",
        "--dev",
        target,
        "--",
        &format!("-max_total_time={seconds}"),
    ]);
    // Unoptimised it would try a tenth; the release profile takes long to build.
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_TARGET_DIR", cache::target()).current_dir(root()?);
    succeeds(command)
}

fn succeeds(mut command: Command) -> Result<bool, String> {
    command.status().map(|status| status.success()).map_err(|error| format!("{command:?} cannot be run: {error}"))
}

fn installed() -> Option<PathBuf> {
    let program = cache::tools().join("bin/cargo-fuzz");
    program.is_file().then_some(program)
}

fn install() -> Result<PathBuf, String> {
    eprintln!("installing cargo-fuzz {VERSION} (once; a minute or two)");
    let tools = cache::tools().display().to_string();
    match succeeds(cargo(&["install", "cargo-fuzz", "--locked", "--version", VERSION, "--root", &tools])?) {
        Ok(true) => installed().ok_or_else(|| "cargo installed no cargo-fuzz".to_owned()),
        _ => Err(format!("cargo-fuzz {VERSION} could not be installed")),
    }
}
