//! What to run, as whom, and how to end it.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

/// What to run. Made from a [`Command`] (of which program, arguments, environment and current folder are taken), or built
/// up here.
#[derive(Debug, Clone)]
pub struct Spec {
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    /// Changes to the owner's environment; `None` removes.
    pub(super) envs: Vec<(OsString, Option<OsString>)>,
    pub(super) current_dir: Option<PathBuf>,
    /// User and group to run as; none: the owner's.
    pub(super) user: Option<(u32, u32)>,
    pub(super) stop_signal: Signal,
    /// How long the part may take to end after `stop_signal`, before it is killed.
    pub(super) grace: Duration,
    /// Removed, with all that is in it, when the part ends because its owner was killed.
    pub(super) orphaned_folder: Option<PathBuf>,
}

impl Spec {
    /// Runs `program`; stopped by SIGTERM, killed after 10 s.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            envs: Vec::new(),
            current_dir: None,
            user: None,
            stop_signal: Signal::SIGTERM,
            grace: Duration::from_secs(10),
            orphaned_folder: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable in the part's environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl Into<OsString>) -> Self {
        self.envs.push((name.as_ref().to_owned(), Some(value.into())));
        self
    }

    /// Removes a variable of the owner's from the part's environment.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.envs.push((name.as_ref().to_owned(), None));
        self
    }

    /// Runs as this user and group, given by number.
    #[must_use]
    pub fn user(mut self, user: Option<(u32, u32)>) -> Self {
        self.user = user;
        self
    }

    /// The signal that asks the part to end, where that is not SIGTERM.
    #[must_use]
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// How long the part may take to end when asked to, before it is killed. Whole seconds.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Names the temporary folder that nobody else removes when the owner is killed.
    #[must_use]
    pub fn orphaned_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.orphaned_folder = Some(folder.into());
        self
    }
}

impl From<&mut Command> for Spec {
    fn from(command: &mut Command) -> Self {
        let mut spec = Self::new(command.get_program()).args(command.get_args());
        spec.envs = command.get_envs().map(|(name, value)| (name.to_owned(), value.map(OsStr::to_owned))).collect();
        spec.current_dir = command.get_current_dir().map(Into::into);
        spec
    }
}

impl From<Command> for Spec {
    fn from(mut command: Command) -> Self {
        Self::from(&mut command)
    }
}
