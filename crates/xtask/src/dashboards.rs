//! `cargo xtask dashboards`: builds `dashboards/*.json` from `dashboards/src`. The test that compares the two fetches the pinned builders, and writes
//! instead of comparing when it is asked to.

use std::process::ExitCode;

use crate::cargo::cargo;
use crate::stage;

pub(crate) fn run() -> ExitCode {
    let test = ["test", "--quiet", "--package", "lockstep-tests", "--test", "dashboards", "--", "source::"];
    let built = cargo(&test).map(|mut command| {
        command.env("LOCKSTEP_BLESS", "1");
        command
    });
    if stage::run("dashboards", built).is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
