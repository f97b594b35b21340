//! This process's memory is nobody's to look at: material is in it.

use anyhow::Context as _;
use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, setrlimit};

/// From now on no core file is written, and no other process of this user may trace this one or read its memory (`PR_SET_DUMPABLE`, prctl(2)).
/// Whoever is root still may.
pub fn close() -> anyhow::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context("forbidding core files")?;
    set_dumpable(false).context("closing this process's memory to others")
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::prctl::get_dumpable;
    use nix::sys::resource::getrlimit;

    #[test]
    fn no_core_file_is_written_and_nobody_may_trace() {
        close().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE), Ok((0, 0)));
        assert_eq!(get_dumpable(), Ok(false));
    }
}
