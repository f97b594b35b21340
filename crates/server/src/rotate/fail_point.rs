//! Where a test kills the process. Only in builds with debug assertions: a release has no such thing.

/// The way of a run comes to this point. The process named in `LOCKSTEP_FAIL_POINT` kills itself there as `kill -9` would, once: whoever first
/// makes the file `LOCKSTEP_FAIL_ONCE`.
#[cfg(debug_assertions)]
pub(super) fn hit(kind: &str, point: &str) {
    let Ok(wanted) = std::env::var("LOCKSTEP_FAIL_POINT") else { return };
    let Ok(once) = std::env::var("LOCKSTEP_FAIL_ONCE") else { return };
    if wanted == format!("{kind}/{point}") && std::fs::OpenOptions::new().write(true).create_new(true).open(once).is_ok() {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub(super) const fn hit(_kind: &str, _point: &str) {}
