//! The socket by which the driver finds a provider: named after it, in a folder of the host.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tokio::net::UnixListener;

/// The provider's name in classes, with `.sock`.
const NAME: &str = "lockstep.sock";
/// Until it may be used. The driver takes no notice of it.
const NEW_NAME: &str = ".lockstep.sock.new";

/// Which file it is. Removed at the end, if it is still this one.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl Socket {
    /// Listens. What another process left there is replaced, and so is one that listens still: of two pods on a node the newer one serves. It is never
    /// there with rights for others.
    pub(super) fn listen(folder: &Path) -> Result<(Self, UnixListener)> {
        let (path, new) = (folder.join(NAME), folder.join(NEW_NAME));
        remove(&new)?;
        let listener = UnixListener::bind(&new).with_context(|| {
            format!("listening in {}: it must be the driver's folder for providers, mounted from the host", folder.display())
        })?;
        fs::set_permissions(&new, Permissions::from_mode(0o600))
            .with_context(|| format!("closing {} to others", new.display()))?;
        let identity = identity(&new)?;
        fs::rename(&new, &path).with_context(|| format!("putting a socket at {}", path.display()))?;
        Ok((Self { path, identity }, listener))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// At the end, unless the next one has taken the place already.
    pub(super) fn remove(&self) -> Result<()> {
        match identity(&self.path) {
            Ok(identity) if identity == self.identity => remove(&self.path),
            _ => Ok(()),
        }
    }
}

fn identity(path: &Path) -> Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).with_context(|| format!("looking at {}", path.display()))?;
    Ok((metadata.dev(), metadata.ino()))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_takes_the_place_of_what_is_there_and_leaves_it_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "left behind").unwrap();
        fs::write(folder.path().join(NEW_NAME), "left behind").unwrap();
        let (first, _listens) = Socket::listen(folder.path()).unwrap();
        let mode = fs::metadata(first.path()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (second, _listens) = Socket::listen(folder.path()).unwrap();
        first.remove().unwrap();
        tokio::net::UnixStream::connect(second.path()).await.unwrap();
        second.remove().unwrap();
        second.remove().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn without_the_drivers_folder_it_says_which_one_that_is() {
        let folder = tempfile::tempdir().unwrap();
        let error = Socket::listen(&folder.path().join("nowhere")).unwrap_err();
        assert!(format!("{error:#}").contains("driver's folder for providers"), "{error:#}");
    }
}
