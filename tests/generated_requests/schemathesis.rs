//! Running schemathesis.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lockstep_testbed::Fleet;
use lockstep_testbed::fetch::{PythonProgram, python_program};
use serde_json::Value;
use tokio::process::Command;

const SCHEMATHESIS: PythonProgram = PythonProgram { project: "schemathesis", version: "4.32.5", with: &["hypothesis==6.170.17"] };
/// The same requests in each run, as far as the server's answers, which some are made from, are the same.
const SEED: &str = "1";
/// For each operation and way of making them, beside those that go through each edge of its parameters: about a minute on two cores.
const EXAMPLES_MAX: &str = "5";
const LIMIT: Duration = Duration::from_secs(600);

/// What is asked of each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method,ignored_auth";
/// The token that all requests are made with.
const OWN_TOKEN: &str = "generated-requests";

/// What came of a run.
pub(crate) struct Run {
    pub(crate) is_good: bool,
    /// What it printed: the requests that failed, without their tokens.
    pub(crate) told: String,
    pub(crate) report: Report,
}

/// Its own count.
pub(crate) struct Report {
    pub(crate) operations: u64,
    pub(crate) tested: u64,
    pub(crate) cases: u64,
    /// Answers that failed a check.
    pub(crate) failures: u64,
    /// Requests that were not answered.
    pub(crate) errors: u64,
    pub(crate) seconds: u64,
}

/// Sends requests for every operation to the fleet's first replica, as an admin of everything.
pub(crate) async fn run(fleet: &Fleet) -> Result<Run> {
    // pip may take a minute, once.
    let program = tokio::task::spawn_blocking(|| python_program(&SCHEMATHESIS)).await??;
    let made = fleet.cli(&["token", "create", OWN_TOKEN, "--role", "admin", "--everything", "--ttl", "1h"]).await?;
    let folder = fleet.folder().join("schemathesis");
    std::fs::create_dir(&folder)?;
    let config = configure(&folder, &fleet.root_file())?;
    let description = format!("{}/openapi.json", fleet.replicas[0].rest_url());
    let report = folder.join("report.json");
    let mut command = Command::new("python3");
    command.args(["-s", "-m", "schemathesis.cli", "--config-file"]).arg(config).args(["run", &description, "--checks", CHECKS]);
    command.args(["--seed", SEED, "--max-examples", EXAMPLES_MAX, "--generation-database", "none", "--no-shrink"]);
    command.args(["--suppress-health-check", "all", "--continue-on-failure", "--warnings", "off", "--no-color"]);
    command.arg("--report-json-path").arg(&report);
    command.env("PYTHONPATH", program).env("API_TOKEN", made.stdout.trim()).env("OWN_TOKEN", OWN_TOKEN);
    command.current_dir(&folder).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await.context("schemathesis took too long")??;
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let report = std::fs::read(&report).with_context(|| format!("schemathesis left no report: {told}"))?;
    Ok(Run { is_good: output.status.success(), told, report: read(&serde_json::from_slice(&report)?)? })
}

/// Its configuration: the token is in its environment, where no list of processes shows it.
fn configure(folder: &Path, ca: &Path) -> Result<std::path::PathBuf> {
    let hooks = folder.join("hooks.py");
    std::fs::write(&hooks, include_str!("hooks.py"))?;
    let config = folder.join("schemathesis.toml");
    let header = "headers = { Authorization = \"Bearer ${API_TOKEN}\" }";
    let text = format!("{header}\ntls-verify = \"{}\"\nhooks = \"{}\"\n", ca.display(), hooks.display());
    std::fs::write(&config, text)?;
    Ok(config)
}

fn read(report: &Value) -> Result<Report> {
    let number = |pointer: &str| {
        let value = report.pointer(pointer).with_context(|| format!("the report has no {pointer}: {report}"))?;
        value.as_u64().with_context(|| format!("{pointer} is {value}"))
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it took less than LIMIT")]
    let seconds = report["running_time"].as_f64().context("the report has no running time")? as u64;
    Ok(Report {
        operations: number("/operations/total")?,
        tested: number("/operations/tested")?,
        cases: number("/test_cases/generated")?,
        failures: number("/test_cases/with_failures")?,
        errors: number("/test_cases/errored")?,
        seconds,
    })
}
