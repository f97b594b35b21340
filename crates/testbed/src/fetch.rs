//! Fetches parts that the machine lacks into the user's cache, once: wheels through pip, Go tools through go, Debian packages through apt.
//!
//! These clients bring their own settings for mirrors, proxies and certificates, so nothing of that is needed here. What
//! takes long is told on standard error.

mod client;
mod debian;
mod go_tool;
mod progress;
mod python_program;
mod wheel;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cache;

pub use debian::debian;
pub use go_tool::{GoTool, go_tool};
pub use python_program::{PythonProgram, python_program};
pub use wheel::{Wheel, wheel};

/// Returns `<cache>/parts/<name>`, made by `make` in a folder beside it and renamed into place when complete. Of several
/// processes one makes it, and the others wait.
fn once(name: &str, what: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    once_in(&cache::parts()?, name, what, make)
}

fn once_in(parts: &Path, name: &str, what: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let place = parts.join(name);
    if place.exists() {
        return Ok(place);
    }
    let parent = place.parent().unwrap_or(parts);
    fs::create_dir_all(parent).with_context(|| format!("making the cache folder {}", parent.display()))?;
    let _lock = lock(&place, what)?;
    // Another process may have made it while this one waited for the lock.
    if place.exists() {
        return Ok(place);
    }
    let unfinished = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(parent)?;
    let part = unfinished.path().join("part");
    progress::tell(&format!("fetching {what}, once"));
    make(&part).with_context(|| format!("fetching {what}"))?;
    fs::rename(&part, &place).with_context(|| format!("moving {what} to {}", place.display()))?;
    progress::tell(&format!("fetched {}", place.display()));
    Ok(place)
}

/// Held until the file is dropped; the kernel also drops it when the process is killed.
fn lock(place: &Path, what: &str) -> Result<File> {
    let mut path = place.as_os_str().to_owned();
    path.push(".lock");
    let file = File::create(&path).with_context(|| format!("making the lock {}", Path::new(&path).display()))?;
    if file.try_lock().is_err() {
        progress::tell(&format!("another process is fetching {what}; waiting for it"));
        file.lock().with_context(|| format!("locking {}", Path::new(&path).display()))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use anyhow::bail;

    use super::*;
    use crate::Folder;

    #[test]
    fn of_two_that_fetch_at_once_one_does_and_the_other_waits() -> Result<()> {
        let parts = Folder::new("parts")?;
        let start = Barrier::new(2);
        // Fails when the folder is there already: on the second making.
        let fetch = || {
            start.wait();
            once_in(parts.path(), "some-1/tool", "a tool", |place| Ok(fs::create_dir(place)?))
        };
        let (one, two) = thread::scope(|scope| {
            let (one, two) = (scope.spawn(fetch), scope.spawn(fetch));
            (one.join().expect("no panic"), two.join().expect("no panic"))
        });
        assert_eq!(one?, two?);
        let left = fs::read_dir(parts.path().join("some-1"))?.count();
        assert_eq!(left, 2, "the tool and its lock");
        Ok(())
    }

    #[test]
    fn what_failed_to_be_made_leaves_nothing_and_is_tried_again() -> Result<()> {
        let parts = Folder::new("parts")?;
        let failed = once_in(parts.path(), "tool", "a tool", |place| {
            fs::create_dir(place)?;
            bail!("no network")
        });
        let error = failed.expect_err("it failed");
        assert_eq!(format!("{error:#}"), "fetching a tool: no network");
        once_in(parts.path(), "tool", "a tool", |place| Ok(fs::create_dir(place)?))?;
        Ok(())
    }
}
