//! Executables on PATH, and what they say when asked for their version.

use std::env;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// The first executable file of this name on PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

/// What `sh` will run for `program`: the file itself, or the first of that name on PATH.
pub(crate) fn resolve(program: &Path) -> Result<PathBuf> {
    let found = match program.to_str() {
        Some(name) if !name.contains('/') => on_path(name),
        _ => is_executable(program).then(|| program.to_path_buf()),
    };
    found.with_context(|| format!("there is no executable {}", program.display()))
}

pub(crate) fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The first `major.minor` in what `program argument` prints; none if it does not run. A file of the right name may be
/// a wrapper that cannot run here, so a part on PATH is believed only after it has answered.
pub(crate) fn version(program: &Path, argument: &str) -> Option<(u32, u32)> {
    let output = Command::new(program).arg(argument).current_dir("/").output().ok()?;
    if !output.status.success() {
        return None;
    }
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut numbers = word.trim_start_matches('v').split('.');
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?;
        let minor: String = minor.chars().take_while(char::is_ascii_digit).collect();
        Some((major, minor.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_parts_print() {
        assert_eq!(parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some((15, 18)));
        assert_eq!(parse_version("OpenBao v2.7.2 (abc), built 2026-10-26"), Some((2, 7)));
        assert_eq!(parse_version("postgres (PostgreSQL) 19beta1"), None);
    }
}
