//! Parts that are built from source with go: small modules of ours in `tools/` pin what they are built from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::client::run;
use super::once;

const NO_GO: &str = "go is needed to build this part and is not on PATH: install Go 1.26 or newer (https://go.dev/dl)";

/// A command of a module in `tools/`.
#[derive(Debug, Clone, Copy)]
pub struct GoTool {
    /// What the executable is to be called.
    pub name: &'static str,
    /// The folder in the cache: the part and its version.
    pub folder: &'static str,
    /// The package to build.
    pub package: &'static str,
    /// `-X` definitions for the linker, where a build from a module does not know its own version.
    pub definitions: &'static [&'static str],
    /// Our module's `go.mod` and `go.sum`, which pin every dependency.
    pub module: (&'static str, &'static str),
    /// Other files of our module: path and text.
    pub files: &'static [(&'static str, &'static str)],
    /// Roughly how long the build takes on two cores.
    pub takes: &'static str,
}

/// Builds a tool into the cache; returns the executable.
pub fn go_tool(tool: &GoTool) -> Result<PathBuf> {
    let GoTool { name, folder, takes, .. } = tool;
    once(&format!("{folder}/{name}"), &format!("{name} (built from source with go: about {takes} on two cores)"), |output| {
        let module = output.with_extension("module");
        write_module(tool, &module)?;
        run(&mut build(tool, &module, output), &format!("building {name}"), NO_GO)
    })
}

/// The module is written out again rather than used where it stands, as the sources may be gone when a binary that was
/// built from them runs.
fn write_module(tool: &GoTool, folder: &Path) -> Result<()> {
    let of_module = [("go.mod", tool.module.0), ("go.sum", tool.module.1)];
    for (name, text) in of_module.iter().chain(tool.files) {
        let path = folder.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text).with_context(|| format!("writing {name}"))?;
    }
    Ok(())
}

fn build(tool: &GoTool, module: &Path, output: &Path) -> Command {
    let linker = tool.definitions.iter().flat_map(|definition| ["-X", definition]);
    let linker: Vec<&str> = ["-s", "-w"].into_iter().chain(linker).collect();
    let mut command = Command::new("go");
    command
        .current_dir(module)
        // Pure Go runs on any distribution of Linux.
        .env("CGO_ENABLED", "0")
        .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
        .arg(format!("-ldflags={}", linker.join(" ")))
        .arg("-o")
        .arg(output)
        .arg(tool.package);
    command
}
