//! Files that hold a token must be kept from others.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use lockstep_core::exposure;
use nix::unistd::geteuid;

/// Refuses a file that others have too.
pub(crate) fn check(file: &Path) -> anyhow::Result<()> {
    let metadata = std::fs::metadata(file).with_context(|| format!("cannot look at {}", file.display()))?;
    let judged = exposure::judge(metadata.mode(), metadata.uid(), geteuid().as_raw());
    judged.map_err(|exposure| anyhow!("{} {exposure}", file.display()))
}
