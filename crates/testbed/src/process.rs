//! A child process that ends with its owner.
//!
//! A small shell script, `watchdog.sh`, starts the part and reads a pipe whose write end only the owner holds. When
//! the owner ends, even by `kill -9`, the kernel closes the pipe and the script ends the part. (`PR_SET_PDEATHSIG` would
//! need unsafe code, and acts when the *thread* that spawned the part ends.) The write end is close-on-exec, so no
//! other child inherits it. The script is a process group of its own: Ctrl-C reaches the owner, which ends its parts
//! in its own order.

mod slot;
mod spec;

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::executable;
use crate::folder;
use crate::wait::{self, Answer};

pub(crate) use slot::Slot;
pub use spec::Spec;

const WATCHDOG: &str = include_str!("process/watchdog.sh");
/// How long [`Process::wait_exit`] waits.
const EXIT_LIMIT: Duration = Duration::from_mins(1);
const EXIT_INTERVAL: Duration = Duration::from_millis(10);
/// How much of a log an error quotes.
const LOG_TAIL_LINES: usize = 25;

/// A running part. Dropping it ends the part and waits for that.
#[derive(Debug)]
pub struct Process {
    name: String,
    /// The part's own pid, not the watchdog's.
    pid: Pid,
    /// The shell that watches. It is the one we wait for: it exits when the part does, with the part's status.
    watchdog: Mutex<Child>,
    log: PathBuf,
    stop_signal: Signal,
    grace: Duration,
}

impl Process {
    /// Starts a part in `folder`, where its output is appended to `<name>.log`.
    pub fn spawn(name: &str, spec: impl Into<Spec>, folder: &Path) -> Result<Self> {
        let spec = spec.into();
        executable::resolve(&spec.program).with_context(|| format!("starting {name}"))?;
        let log = folder.join(format!("{name}.log"));
        let mut watchdog =
            watchdog_command(&spec, folder, open_log(&log)?).spawn().with_context(|| format!("starting sh to run {name}"))?;
        let pid = read_pid(&mut watchdog).with_context(|| {
            format!("starting {} as {name}: its watchdog told no pid\n{}", spec.program.display(), tail(&log))
        })?;
        Ok(Self {
            name: name.to_owned(),
            pid,
            watchdog: Mutex::new(watchdog),
            log,
            stop_signal: spec.stop_signal,
            grace: spec.grace,
        })
    }

    /// What it was called when it was started.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The part's own pid.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Whether it has not exited yet. A paused part runs.
    pub fn is_running(&self) -> bool {
        matches!(self.try_wait(), Ok(None))
    }

    /// Ends it at once, as `kill -9` does, and waits until it is gone.
    pub fn kill9(&self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.block_until_exit(self.grace)
    }

    /// Asks it to end, kills it when its grace is over, and waits until it is gone.
    pub async fn stop(&self) -> Result<()> {
        self.ask_to_end()?;
        if self.exit_within(self.grace).await.is_err() {
            self.signal(Signal::SIGKILL)?;
            self.exit_within(self.grace).await?;
        }
        Ok(())
    }

    /// Freezes it: its connections stay open and nothing answers.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets a paused part go on.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Sends any signal; nothing happens when the part has ended already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        // Held over the call, so that nobody else reaps the watchdog in between and the pid stays the part's.
        let mut watchdog = self.watchdog.lock().unwrap_or_else(PoisonError::into_inner);
        if watchdog.try_wait()?.is_some() {
            return Ok(());
        }
        match kill(self.pid, signal) {
            // Ended a moment ago, and the watchdog is about to say so.
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("sending {signal} to {} (pid {})", self.name, self.pid)),
        }
    }

    /// Waits up to 60 s until it ends by itself; returns its exit code, which is 128 + n after signal n.
    pub async fn wait_exit(&self) -> Result<i32> {
        self.exit_within(EXIT_LIMIT).await
    }

    /// Waits until it ends by itself; returns its exit code, which is 128 + n after signal n.
    pub async fn exit_within(&self, limit: Duration) -> Result<i32> {
        let exited = async {
            loop {
                if let Some(status) = self.try_wait()? {
                    return Ok(code(status));
                }
                tokio::time::sleep(EXIT_INTERVAL).await;
            }
        };
        tokio::time::timeout(limit, exited).await.unwrap_or_else(|_| bail!(self.still_runs(limit)))
    }

    /// Waits until `condition` holds, as [`wait::until`] does, but gives up as soon as the part exits. The error quotes
    /// the end of the part's log.
    pub async fn until<A: Answer>(&self, what: &str, limit: Duration, condition: impl AsyncFnMut() -> A) -> Result<A::Value> {
        let awaited = format!("{} to {what}", self.name);
        tokio::select! {
            biased;
            answer = wait::until(&awaited, limit, condition) => {
                answer.with_context(|| format!("the log of {} ends with:\n{}", self.name, self.log_tail()))
            }
            code = self.exit_within(limit * 2) => {
                bail!("{} exited with {} instead of coming to {what}; its log ends with:\n{}", self.name, code?, self.log_tail())
            }
        }
    }

    /// Where its output goes.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// All of its output so far.
    pub fn log(&self) -> String {
        read_log(&self.log)
    }

    /// The last lines of its output.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }

    fn try_wait(&self) -> Result<Option<ExitStatus>> {
        let mut watchdog = self.watchdog.lock().unwrap_or_else(PoisonError::into_inner);
        watchdog.try_wait().with_context(|| format!("waiting for {}", self.name))
    }

    fn ask_to_end(&self) -> Result<()> {
        self.signal(self.stop_signal)?;
        // A paused part can only then answer.
        self.signal(Signal::SIGCONT)
    }

    fn still_runs(&self, limit: Duration) -> String {
        format!("{} (pid {}) still runs after {limit:?}; its log ends with:\n{}", self.name, self.pid, self.log_tail())
    }

    /// For where one cannot await: in `drop`, and after a signal that cannot be refused.
    fn block_until_exit(&self, limit: Duration) -> Result<()> {
        let looks = limit.as_millis() / EXIT_INTERVAL.as_millis();
        for _ in 0..=looks {
            if self.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(EXIT_INTERVAL);
        }
        bail!(self.still_runs(limit))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = self.ask_to_end().and_then(|()| self.block_until_exit(self.grace));
        if ended.is_err()
            && let Err(error) = self.kill9()
        {
            eprintln!("testbed: {error:#}");
        }
    }
}

fn open_log(path: &Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(path).with_context(|| format!("opening the log {}", path.display()))
}

fn watchdog_command(spec: &Spec, folder: &Path, log: File) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-s", "--"])
        // `kill -s` wants names without SIG.
        .arg(spec.stop_signal.as_str().trim_start_matches("SIG"))
        .arg(spec.grace.as_secs().to_string())
        .arg(spec.orphaned_folder.as_deref().filter(|_| !folder::kept()).unwrap_or(Path::new("")))
        .arg(&spec.program)
        .args(&spec.args)
        .current_dir(spec.current_dir.as_deref().unwrap_or(folder))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .process_group(0);
    for (name, value) in &spec.envs {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some((user, group)) = spec.user {
        command.uid(user).gid(group);
    }
    command
}

/// Gives the script to the shell and reads what it answers. The pipe that the script came through stays open.
fn read_pid(watchdog: &mut Child) -> Result<Pid> {
    let stdin = watchdog.stdin.as_mut().context("it has no standard input")?;
    stdin.write_all(WATCHDOG.as_bytes())?;
    let stdout = watchdog.stdout.take().context("it has no standard output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let pid = line.trim().parse().with_context(|| format!("expected a pid, read {line:?}"))?;
    Ok(Pid::from_raw(pid))
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

fn read_log(path: &Path) -> String {
    // A part may write bytes that are no UTF-8, and a log that cannot be read must not hide the error that quotes it.
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn tail(path: &Path) -> String {
    let log = read_log(path);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}
