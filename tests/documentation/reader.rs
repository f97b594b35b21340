//! Somebody who reads a page and types what it says.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Command;

use crate::fence::Kind;
use crate::page::Page;
use crate::printed;
use crate::world::Machine;

/// For all commands of one page: they start and await real parts.
const LIMIT: Duration = Duration::from_mins(4);

/// The process groups of all pages' shells. What a page started with `&` serves the pages after it, and ends with this.
#[derive(Default)]
pub(crate) struct Shells(Mutex<Vec<Pid>>);

impl Drop for Shells {
    fn drop(&mut self) {
        for group in self.0.get_mut().unwrap_or_else(PoisonError::into_inner) {
            // There is none if nothing was left running.
            let _ = killpg(*group, Signal::SIGKILL);
        }
    }
}

/// What the demo has for the words in capitals that a reader replaces.
const NAMES: [(&str, &str); 5] = [
    ("SOURCE/MOUNT/PATH", "corp/kv/shop/checkout"),
    ("SOURCE", "corp"),
    ("CLUSTER", "cluster-1"),
    ("BINDING", "checkout"),
    ("ROTATION", "checkout-password"),
];

fn named(commands: &str) -> String {
    let of = |word: &str| NAMES.iter().find(|(name, _)| *name == word).map(|(_, ours)| (*ours).to_owned());
    commands
        .split_inclusive([' ', '\n'])
        .map(|word| {
            let end = word.len() - word.trim_end().len();
            let (name, space) = word.split_at(word.len() - end);
            of(name).unwrap_or_else(|| name.to_owned()) + space
        })
        .collect()
}

/// Types all of a page in one shell, so that what is exported stays, and compares what is printed. How many fences were run.
pub(crate) async fn follow(page: &Page, machine: &Machine) -> Result<usize> {
    let folder = machine.folder();
    let mut script = "set -euo pipefail\n".to_owned();
    for (index, fence) in page.fences.iter().enumerate() {
        match &fence.kind {
            Kind::Commands => writeln!(script, "exec >{index}.out 2>&1\n{}", named(&fence.text))?,
            // When its turn comes: a page may show a file again, changed.
            Kind::File(name) => {
                std::fs::write(folder.join(format!("{index}.file")), &fence.text)?;
                writeln!(script, "cp {index}.file {name}")?;
            }
            _ => {}
        }
    }
    let mut shell = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder)
        .envs(machine.environment()?)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()?;
    let group = Pid::from_raw(i32::try_from(shell.id().context("the shell has ended")?)?);
    machine.shells.0.lock().unwrap_or_else(PoisonError::into_inner).push(group);
    let ended = tokio::time::timeout(LIMIT, shell.wait()).await;
    let run = compare(page, folder, matches!(&ended, Ok(Ok(status)) if status.success()))?;
    Ok(run)
}

/// Each output with what the page shows of it. Commands that were not come to have none: one before them failed.
fn compare(page: &Page, folder: &Path, is_whole: bool) -> Result<usize> {
    let (mut run, mut last) = (0, (0, String::new()));
    let failed = |(line, printed): &(usize, String)| format!("{}:{line}: failed, or takes too long:\n{printed}", page.path);
    for (index, fence) in page.fences.iter().enumerate() {
        match fence.kind {
            Kind::Commands => {
                let Ok(printed) = take(folder, index) else { bail!(failed(&last)) };
                run += 1;
                last = (fence.line, printed);
            }
            Kind::Printed => {
                let (line, printed) = &last;
                let is_shown = printed::is(&fence.text, printed);
                ensure!(is_shown, "{}:{line}: printed\n{printed}\nwhere line {} shows\n{}", page.path, fence.line, fence.text);
            }
            _ => {}
        }
    }
    ensure!(is_whole, failed(&last));
    Ok(run)
}

fn take(folder: &Path, index: usize) -> Result<String> {
    let path = folder.join(format!("{index}.out"));
    let printed = std::fs::read_to_string(&path)?;
    std::fs::remove_file(path)?;
    Ok(printed)
}
