//! Programs that are written in Python.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::client::run;
use super::once;
use super::wheel::{NO_PIP, NO_PYTHON};

/// A program, pinned.
#[derive(Debug, Clone, Copy)]
pub struct PythonProgram {
    /// The project's name on the Python package index.
    pub project: &'static str,
    /// The exact version.
    pub version: &'static str,
    /// What else decides how it behaves, each as `name==version`; the rest of what it needs is as new as it allows.
    pub with: &'static [&'static str],
}

/// Installs a program, with all that it needs, into the cache; returns the folder to name in `PYTHONPATH`. Wheels may be made for one
/// version of Python, so each has its own.
pub fn python_program(program: &PythonProgram) -> Result<PathBuf> {
    let PythonProgram { project, version, with } = program;
    let place = format!("{project}-{version}-python-{}", python_version()?);
    once(&place, &format!("{project} {version}"), |folder| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--only-binary=:all:", "--target"]).arg(folder);
        pip.arg(format!("{project}=={version}")).args(*with);
        run(&mut pip, &format!("installing {project} {version}"), NO_PYTHON)
            .map_err(|error| if error.to_string().contains("No module named pip") { anyhow::anyhow!("{NO_PIP}") } else { error })
    })
}

fn python_version() -> Result<String> {
    let ask = ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"];
    let output = Command::new("python3").args(ask).output().context(NO_PYTHON)?;
    ensure!(output.status.success(), "python3 cannot be run: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
