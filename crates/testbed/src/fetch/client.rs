//! Running pip, go and apt.

use std::io::{ErrorKind, Read as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::progress;

const LIMIT: Duration = Duration::from_hours(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
const TELL_INTERVAL: Duration = Duration::from_secs(20);

/// Runs a client to its end. `what` it does is told while it lasts; `missing` is what to say when there is no such program.
pub(super) fn run(command: &mut Command, what: &str, missing: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("{missing}"),
        Err(error) => return Err(error).with_context(|| format!("running {program}")),
    };
    let mut stderr = child.stderr.take().context("the client has no standard error")?;
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        stderr.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
    });
    let status = wait(&mut child, what)?;
    let told = reader.join().map_err(|_| anyhow!("reading what {program} says panicked"))??;
    if !status.success() {
        bail!("{program} ended with {status}:\n{}", told.trim_end());
    }
    Ok(())
}

fn wait(child: &mut Child, what: &str) -> Result<ExitStatus> {
    let looks = LIMIT.as_millis() / LOOK_INTERVAL.as_millis();
    let looks_between_lines = TELL_INTERVAL.as_millis() / LOOK_INTERVAL.as_millis();
    for look in 1..=looks {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(LOOK_INTERVAL);
        if look % looks_between_lines == 0 {
            let seconds = u64::try_from(look / looks_between_lines)? * TELL_INTERVAL.as_secs();
            progress::tell(&format!("still {what} ({seconds} s)"));
        }
    }
    child.kill()?;
    child.wait()?;
    bail!("{what} took more than {LIMIT:?}")
}
