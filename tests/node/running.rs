//! The process: its socket, its limits, its end.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::{Folder, wait};
use lockstep_tests::csi_driver::Class;
use lockstep_tests::node_agent::NodeAgent;
use nix::sys::signal::Signal;
use tonic::Code;

use crate::world::{LIMIT, World, pod};

const DB: &str = "- {binding: db}";

#[tokio::test]
async fn a_socket_that_was_left_behind_is_replaced_and_its_own_is_gone_in_the_end() -> Result<()> {
    let world = World::start(1, &[]).await?;
    let url = world.agents[0].url();
    let folder = Folder::new("node-again")?;
    let socket = folder.path().join("lockstep.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket)?);
    let node = NodeAgent::start_in(folder, &url, &world.ca_file, &world.token_file, &[]).await?;
    let metadata = std::fs::metadata(&socket)?;
    ensure!(metadata.file_type().is_socket() && metadata.mode() & 0o777 == 0o600, "mode {:o}", metadata.mode());
    node.driver().mount(&pod(), &Class::of(DB)).await?;
    node.process.signal(Signal::SIGTERM)?;
    assert_eq!(node.process.wait_exit().await?, 0);
    ensure!(!socket.exists(), "the socket is still there");
    Ok(())
}

#[tokio::test]
async fn a_mount_that_was_begun_is_finished_when_it_is_asked_to_end() -> Result<()> {
    let world = World::start(1, &[]).await?;
    world.agents[0].answers(false);
    let driver = world.node.driver();
    let mounting = tokio::spawn(async move { driver.mount(&pod(), &Class::of(DB)).await });
    wait::until("the agent to be asked", LIMIT, async || world.asked() == [1]).await?;
    world.node.process.signal(Signal::SIGTERM)?;
    wait::until("it to know", LIMIT, async || {
        ensure!(world.node.log()?.contains("asked to end"));
        anyhow::Ok(())
    })
    .await?;
    world.agents[0].answers(true);
    mounting.await??;
    assert_eq!(world.node.process.wait_exit().await?, 0);
    Ok(())
}

#[tokio::test]
async fn more_mounts_than_are_allowed_at_a_time_wait_and_are_then_refused() -> Result<()> {
    let world = World::start(1, &["--concurrent-mounts", "2"]).await?;
    world.agents[0].answers(false);
    let begin = || {
        let driver = world.node.driver();
        tokio::spawn(async move { driver.mount(&pod(), &Class::of(DB)).await })
    };
    let (first, second) = (begin(), begin());
    wait::until("both to be asked for", LIMIT, async || world.asked() == [2]).await?;
    let third = begin();
    wait::until("the third to wait", LIMIT, async || {
        let waiting = world.node.metric("lockstep_node_mounts_in_flight").await?;
        ensure!(waiting == 3, "{waiting}");
        anyhow::Ok(())
    })
    .await?;
    let status = third.await?.err().context("it was mounted")?;
    ensure!(status.code() == Code::ResourceExhausted && status.message().contains("mounts 2 volumes at a time"), "{status:?}");
    // An agent is not waited for for ever either.
    world.agents[0].answers(true);
    for mount in [first, second] {
        let outcome = mount.await?.map_err(|status| status.code());
        ensure!(matches!(outcome, Ok(_) | Err(Code::Unavailable)), "{outcome:?}");
    }
    world.mount(DB).await?;
    world.leaves_no_trace().await
}

#[tokio::test]
async fn without_the_drivers_folder_it_ends_and_says_what_to_mount() -> Result<()> {
    let world = World::start(1, &[]).await?;
    let (ca_file, token_file) = (world.ca_file.display(), world.token_file.display());
    let nowhere = world.node.providers_dir().join("nowhere");
    let output = tokio::process::Command::new(lockstep_testbed::bin("lockstep-agent")?)
        .args(["node", "--agent", &world.agents[0].url()])
        .args(["--agent-ca-file", &ca_file.to_string(), "--token-file", &token_file.to_string()])
        .arg("--providers-dir")
        .arg(&nowhere)
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success() && text.contains("driver's folder for providers"), "{text}");
    Ok(())
}
