//! The repository's files: tracked ones, and new ones that are not ignored.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::checkout;
use serde_json::Value;

/// A file, by its path from the root.
pub(crate) struct File {
    pub(crate) path: String,
    /// Empty where it is not text.
    pub(crate) text: String,
}

impl File {
    /// Its lines with their numbers, as an editor counts them.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    pub(crate) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|e| e == extension)
    }
}

pub(crate) fn root() -> Result<PathBuf> {
    let workspace = checkout::find("rust-toolchain.toml")?;
    Ok(workspace.parent().context("a file without a folder")?.to_owned())
}

/// All of them.
pub(crate) fn files() -> Result<Vec<File>> {
    let listed = output(Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    let (root, mut files) = (root()?, Vec::new());
    for path in listed.lines() {
        // Removed, and that is not committed yet.
        let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
        files.push(File { path: path.to_owned(), text: String::from_utf8(bytes).unwrap_or_default() });
    }
    ensure!(files.len() > 100, "only {} files found", files.len());
    Ok(files)
}

/// What cargo prints.
pub(crate) fn cargo(arguments: &[&str]) -> Result<String> {
    output(Command::new(env!("CARGO")).args(arguments).args(["--locked", "--offline"]))
}

/// The workspace's own packages, as `cargo metadata` tells of them.
pub(crate) fn packages() -> Result<Vec<Value>> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])?)?;
    metadata["packages"].as_array().cloned().context("cargo metadata tells no packages")
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.current_dir(root()?).output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Fails with all of these.
pub(crate) fn none(found: &[String], rule: &str) -> Result<()> {
    ensure!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
    Ok(())
}
