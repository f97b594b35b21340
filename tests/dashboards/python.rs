//! Grafana's own builders and models, in Python.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fetch::{PythonProgram, python_program};

/// For Grafana 11.6. The number before the mark is the library's own.
const SDK: PythonProgram = PythonProgram { project: "grafana-foundation-sdk", version: "1769699379!11.6.0", with: &[] };

/// Runs a program of ours that imports them; what it prints.
pub(crate) fn run(program: &Path, arguments: &[&Path]) -> Result<String> {
    let library = python_program(&SDK)?;
    // -B: leaves no compiled files beside the sources.
    let output = Command::new("python3").arg("-B").arg(program).args(arguments).env("PYTHONPATH", library).output()?;
    let told = String::from_utf8(output.stdout).context("what Python printed")?;
    ensure!(output.status.success(), "{}: {told}{}", program.display(), String::from_utf8_lossy(&output.stderr));
    Ok(told)
}
