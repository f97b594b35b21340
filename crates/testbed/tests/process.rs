//! Parts as processes: pausing, ending, and never outliving the owner.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use lockstep_testbed::process::Spec;
use lockstep_testbed::{Folder, Process, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const LIMIT: Duration = Duration::from_secs(20);

fn shell(script: &str) -> Spec {
    Spec::new("/bin/sh").args(["-c", script])
}

fn is_alive(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// The state's letter: `S` sleeping, `T` stopped.
fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

#[tokio::test]
async fn the_pid_is_the_parts_own() -> Result<()> {
    let folder = Folder::new("test")?;
    let part = Process::spawn("sleep", Command::new("sleep").arg("600"), folder.path())?;
    let name = wait::until("sleep to run", LIMIT, async || {
        fs::read_to_string(format!("/proc/{}/comm", part.pid())).ok().filter(|name| name.trim() == "sleep")
    });
    name.await?;
    part.pause()?;
    wait::until("a stop", LIMIT, async || state(part.pid()) == Some('T')).await?;
    part.resume()?;
    wait::until("going on", LIMIT, async || state(part.pid()) == Some('S')).await?;
    part.kill9()?;
    assert_eq!(part.wait_exit().await?, 128 + 9);
    assert!(!is_alive(part.pid()) && !part.is_running());
    Ok(())
}

#[tokio::test]
async fn a_part_that_ends_says_with_what_code_and_its_output_is_in_its_log() -> Result<()> {
    let folder = Folder::new("test")?;
    let part = Process::spawn("ends", shell("echo out; echo error >&2; exit 7"), folder.path())?;
    assert_eq!(part.wait_exit().await?, 7);
    assert_eq!(part.log(), "out\nerror\n");
    Ok(())
}

#[tokio::test]
async fn waiting_for_a_part_that_exits_fails_at_once_and_quotes_its_log() -> Result<()> {
    let folder = Folder::new("test")?;
    let part = Process::spawn("broken", shell("echo the disk is made of cheese; exit 3"), folder.path())?;
    let error = part.until("answer", Duration::from_mins(10), async || false).await.expect_err("it exited");
    let text = format!("{error:#}");
    assert!(text.contains("exited with 3") && text.contains("cheese"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_missing_program_is_told_by_its_name() -> Result<()> {
    let folder = Folder::new("test")?;
    let error = Process::spawn("ghost", Spec::new("/nowhere/ghost"), folder.path()).expect_err("there is none");
    assert!(format!("{error:#}").contains("/nowhere/ghost"), "{error:#}");
    Ok(())
}

#[tokio::test]
async fn a_part_that_ignores_the_signal_is_killed_when_its_grace_is_over() -> Result<()> {
    let folder = Folder::new("test")?;
    let stubborn = shell("trap '' TERM; echo ready; while :; do sleep 0.1; done").grace(Duration::from_secs(1));
    let part = Process::spawn("stubborn", stubborn, folder.path())?;
    part.until("be ready", LIMIT, async || part.log().contains("ready")).await?;
    part.stop().await?;
    assert!(!is_alive(part.pid()));
    Ok(())
}

#[tokio::test]
async fn dropping_a_paused_part_ends_it() -> Result<()> {
    let folder = Folder::new("test")?;
    let part = Process::spawn("sleep", Spec::new("sleep").arg("600"), folder.path())?;
    part.pause()?;
    let pid = part.pid();
    drop(part);
    assert!(!is_alive(pid));
    Ok(())
}

#[tokio::test]
async fn a_part_dies_and_its_folder_goes_when_its_owner_is_killed() -> Result<()> {
    let (mut owner, pid, folder) = start_owner()?;
    assert!(is_alive(pid) && folder.exists());
    owner.kill()?;
    owner.wait()?;
    wait::until("the part to die", LIMIT, async || !is_alive(pid)).await?;
    wait::until("the folder to go", LIMIT, async || !folder.exists()).await
}

#[tokio::test]
async fn a_part_dies_when_its_owner_is_interrupted_or_ended_or_its_terminal_is_closed() -> Result<()> {
    // Under nohup SIGHUP is ignored, by whoever we start too. What has a handler here is as usual again for a new program.
    let _hangups = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let (mut owner, pid, folder) = start_owner()?;
        kill(Pid::from_raw(owner.id().cast_signed()), signal)?;
        owner.wait()?;
        // By the owner itself, so that both are gone when its caller goes on.
        assert!(!is_alive(pid) && !folder.exists(), "after {signal}");
    }
    Ok(())
}

#[tokio::test]
async fn a_part_dies_when_its_owner_panics() -> Result<()> {
    let folder = Folder::new("test")?;
    let (path, (tell, told)) = (folder.path().to_owned(), std::sync::mpsc::channel());
    let owner = std::thread::spawn(move || {
        let part = Process::spawn("sleep", Spec::new("sleep").arg("600"), &path).expect("a sleep");
        tell.send(part.pid()).expect("a listener");
        panic!("as the test wants it");
    });
    assert!(owner.join().is_err());
    assert!(!is_alive(told.recv()?));
    Ok(())
}

#[tokio::test]
async fn other_children_of_the_owner_do_not_keep_a_part_alive() -> Result<()> {
    // The second part starts while the first one's pipe is open; had it inherited the write end, the first would outlive us.
    let before = pipes("self")?;
    let folder = Folder::new("test")?;
    let _first = Process::spawn("first", Spec::new("sleep").arg("600"), folder.path())?;
    let second = Process::spawn("second", Spec::new("sleep").arg("600"), folder.path())?;
    // Awaited, as the part's pid is that of a shell until that runs the program.
    wait::until("a part without pipes of ours", LIMIT, async || {
        let inherited = pipes(&second.pid().to_string())?;
        anyhow::ensure!(inherited.is_subset(&before), "{inherited:?} beyond {before:?}");
        Ok(())
    })
    .await
}

/// The pipes that a process has open. Our own may come from cargo and be meant for all its descendants.
fn pipes(pid: &str) -> Result<BTreeSet<PathBuf>> {
    let links = fs::read_dir(format!("/proc/{pid}/fd"))?.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    Ok(links.filter(|link| link.to_string_lossy().starts_with("pipe:")).collect())
}

/// Starts a process that owns a part.
fn start_owner() -> Result<(Child, i32, PathBuf)> {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_lockstep-testbed"))
        .args(["run", "sleep", "600"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(owner.stdout.take().context("no output")?).read_line(&mut line)?;
    let (pid, folder) = line.trim().split_once(' ').context("no pid")?;
    Ok((owner, pid.parse()?, folder.into()))
}
