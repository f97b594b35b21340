//! `cargo xtask test`: all stages, each with its time; the last line counts.

use std::process::{Command, ExitCode};

use crate::book;
use crate::cargo::cargo;
use crate::licences;
use crate::stage::{self, Outcome};

/// How much is tested.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything.
    All,
    /// Without what needs kube-apiserver.
    Quick,
}

/// Crates whose tests need no part but what the testbed starts quickly.
const CRATES: [&str; 7] =
    ["lockstep-core", "lockstep-proto", "lockstep-api", "lockstep-cli", "lockstep-vault", "lockstep-server", "xtask"];

/// Runs the stages; a build that fails ends them, because nothing after it would mean anything.
pub(crate) fn run(extent: Extent) -> ExitCode {
    let mut outcomes = vec![
        stage::run("fmt", cargo(&["fmt", "--all", "--check"])),
        stage::run("clippy", cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])),
        // A fuzz target's program is for looking at what libFuzzer found.
        stage::run("build", cargo(&["build", "--workspace", "--exclude", "lockstep-fuzz", "--bins", "--quiet"])),
        stage::run("agent, release", cargo(&["build", "--release", "--package", "lockstep-agent", "--quiet"])),
    ];
    if outcomes[2..].iter().all(|o| o.is_good) {
        for (name, command) in stages(extent) {
            outcomes.push(stage::run(name, command));
        }
    }
    report(&outcomes)
}

fn stages(extent: Extent) -> Vec<(&'static str, Result<Command, String>)> {
    let test = |arguments: &[&str]| cargo(&[&["test", "--quiet", "--no-fail-fast"], arguments].concat());
    let packages: Vec<&str> = CRATES.iter().flat_map(|name| ["--package", name]).collect();
    let mut stages = vec![
        ("unit, property and crate tests", test(&packages)),
        // Its other tests are on a real API server.
        ("agent", test(&["--package", "lockstep-agent", "--lib", "--test", "link", "--", "--skip", "restart::tests"])),
        ("store on Postgres", test(&["--package", "lockstep-store"])),
        (
            "testbed",
            test(&[
                "--package",
                "lockstep-testbed",
                "--lib",
                "--bins",
                "--test",
                "fetch",
                "--test",
                "openbao",
                "--test",
                "postgres",
                "--test",
                "process",
                "--test",
                "relay",
            ]),
        ),
        ("end to end", test(&["--package", "lockstep-tests", "--test", "end_to_end"])),
        (
            "requests from the API description",
            test(&["--package", "lockstep-tests", "--test", "generated_requests", "--", "--nocapture"]),
        ),
        ("agent protocol", test(&["--package", "lockstep-tests", "--test", "protocol"])),
        ("volumes on a node", test(&["--package", "lockstep-tests", "--test", "node", "--", "--nocapture"])),
        ("faults", test(&["--package", "lockstep-tests", "--test", "fault"])),
        ("rotations", test(&["--package", "lockstep-tests", "--test", "rotation", "--", "--nocapture"])),
        ("history cut", test(&["--package", "lockstep-tests", "--test", "history"])),
        ("canaries", test(&["--package", "lockstep-tests", "--test", "canary"])),
        ("fuzz targets, short", test(&["--package", "lockstep-fuzz", "--test", "short", "--", "--nocapture"])),
        ("tidy", test(&["--package", "lockstep-tests", "--test", "tidy"])),
        ("documents", test(&["--package", "lockstep-tests", "--test", "documentation", "--", "--nocapture"])),
        ("book", book::build()),
        ("licences, bans, sources", licences::check()),
    ];
    if extent == Extent::All {
        stages.push(("kube-apiserver", test(&["--package", "lockstep-testbed", "--test", "kubernetes"])));
        stages.push((
            "agent in Kubernetes",
            test(&["--package", "lockstep-agent", "--test", "kubernetes", "--test", "secrets", "--test", "volumes"]),
        ));
        stages.push(("restarts", test(&["--package", "lockstep-agent", "--lib", "restart::tests"])));
        stages.push(("end to end in Kubernetes", test(&["--package", "lockstep-tests", "--test", "kubernetes"])));
        stages.push(("volumes of pods", test(&["--package", "lockstep-tests", "--test", "volumes", "--", "--nocapture"])));
        stages
            .push(("dashboards and alerts", test(&["--package", "lockstep-tests", "--test", "dashboards", "--", "--nocapture"])));
        stages.push(("charts", test(&["--package", "lockstep-tests", "--test", "charts"])));
    }
    stages
}

fn report(outcomes: &[Outcome]) -> ExitCode {
    println!("\n{:<34}{:>9}{:>9}{:>9}", "STAGE", "SECONDS", "PASSED", "FAILED");
    for outcome in outcomes {
        let mark = if outcome.is_good { "" } else { "  FAILED" };
        println!("{:<34}{:>9.1}{:>9}{:>9}{mark}", outcome.name, outcome.took.as_secs_f64(), outcome.passed, outcome.failed);
    }
    let passed: u64 = outcomes.iter().map(|o| o.passed).sum();
    let failed: u64 = outcomes.iter().map(|o| o.failed).sum();
    println!("\n{passed} passed, {failed} failed");
    if outcomes.iter().all(|o| o.is_good) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
