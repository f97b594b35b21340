//! The way to an agent: which one, and whether it is one.

use std::net::TcpListener;

use anyhow::{Result, ensure};
use lockstep_testbed::wait;
use lockstep_tests::csi_driver::Class;
use tonic::{Code, Status};

use crate::agent::Agent;
use crate::authority::Authority;
use crate::world::{LIMIT, World, mind, pod};

const DB: &str = "- {binding: db}";

#[tokio::test]
async fn it_is_said_that_the_agents_ca_is_not_there_yet_and_then_volumes_are_mounted() -> Result<()> {
    let world = World::start(1, &[]).await?;
    std::fs::remove_file(&world.ca_file)?;
    world.refused(&pod(), &Class::of(DB), Code::Unavailable, "the agent's CA is not at").await?;
    assert_eq!(world.node.probe("/readyz").await?.0, 503);
    assert_eq!(world.node.probe("/healthz").await?.0, 200);
    for wrong in ["", "not PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&world.ca_file, wrong)?;
        world.refused(&pod(), &Class::of(DB), Code::Unavailable, "the agent's CA at").await?;
    }
    std::fs::write(&world.ca_file, &world.authority.pem)?;
    world.mount(DB).await?;
    assert_eq!(world.node.probe("/readyz").await?.0, 200);
    world.leaves_no_trace().await
}

#[tokio::test]
async fn a_node_agent_that_begins_before_its_agent_waits_and_says_so() -> Result<()> {
    let authority = Authority::new("later")?;
    let agent = Agent::start(authority.server("127.0.0.1")?, mind())?;
    let folder = lockstep_testbed::Folder::new("node-later")?;
    let (ca_file, token_file) = (folder.path().join("ca.crt"), folder.path().join("token"));
    std::fs::write(&token_file, crate::world::OWN_TOKEN)?;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let node = lockstep_tests::node_agent::NodeAgent::start(&agent.url(), &ca_file, &token_file, &[]).await?;
    wait::until("the log to say so", LIMIT, async || {
        ensure!(node.log()?.contains("waiting"));
        anyhow::Ok(())
    })
    .await?;
    std::fs::write(&ca_file, &authority.pem)?;
    wait::until("the log to say so", LIMIT, async || {
        ensure!(node.log()?.contains("the agent's CA is there"));
        anyhow::Ok(())
    })
    .await?;
    node.driver().mount(&pod(), &Class::of(DB)).await?;
    Ok(())
}

#[tokio::test]
async fn only_an_agent_of_the_published_ca_and_of_the_services_name_is_asked() -> Result<()> {
    let (old, new) = (Authority::new("old")?, Authority::new("new")?);
    let agent = Agent::start(old.server("127.0.0.1")?, mind())?;
    let address = agent.address;
    let mut world = World::of(old, vec![agent], &[]).await?;
    world.mount(DB).await?;

    // It is rotated: both are published for a time, and then the new one alone.
    std::fs::write(&world.ca_file, format!("{}{}", world.authority.pem, new.pem))?;
    world.mount(DB).await?;
    std::fs::write(&world.ca_file, &new.pem)?;
    world.refused(&pod(), &Class::of(DB), Code::Unavailable, "invalid peer certificate").await?;
    assert_eq!(world.asked(), [2], "whoever is not trusted any more is told nothing");
    world.agents.clear();
    let restarted =
        wait::until("the port to be free", LIMIT, async || Agent::start_at(address, new.server("127.0.0.1")?, mind())).await?;
    world.agents.push(restarted);
    world.mount(DB).await?;

    world.agents.clear();
    let misnamed =
        wait::until("the port to be free", LIMIT, async || Agent::start_at(address, new.server("elsewhere.example")?, mind()))
            .await?;
    world.agents.push(misnamed);
    world.refused(&pod(), &Class::of(DB), Code::Unavailable, "invalid peer certificate").await?;
    assert_eq!(world.asked(), [0]);
    world.leaves_no_trace().await
}

#[tokio::test]
async fn its_own_token_is_read_for_each_request() -> Result<()> {
    let world = World::start(1, &[]).await?;
    world.mount(DB).await?;
    world.agents[0].mind().own_token = "cAnaryNext".to_owned();
    world.refused(&pod(), &Class::of(DB), Code::Unauthenticated, "the node agent's token is not one of this cluster").await?;
    std::fs::write(&world.token_file, "cAnaryNext")?;
    world.mount(DB).await?;
    std::fs::remove_file(&world.token_file)?;
    world.refused(&pod(), &Class::of(DB), Code::Unavailable, "the node agent's own token at").await?;
    world.leaves_no_trace().await
}

#[tokio::test]
async fn of_two_agents_the_one_that_answers_is_asked_and_asked_first_the_next_time() -> Result<()> {
    let mut world = World::start(2, &[]).await?;
    // The first one is there, and has nothing.
    world.agents[0].mind().refuses = Some(Status::unavailable("it stands by"));
    for _ in 0..3 {
        world.mount(DB).await?;
    }
    assert_eq!(world.asked(), [1, 3]);
    // The other one goes, and this one takes over.
    world.agents[0].mind().refuses = None;
    world.agents.pop();
    for _ in 0..3 {
        world.mount(DB).await?;
    }
    assert_eq!(world.asked(), [4]);
    // It says no: that is the answer, and nobody else's is looked for.
    world.agents[0].mind().refuses = Some(Status::permission_denied("no binding gives it"));
    world.refused(&pod(), &Class::of(DB), Code::PermissionDenied, "no binding gives it").await?;
    world.leaves_no_trace().await
}

#[tokio::test]
async fn an_agent_that_is_away_or_silent_does_not_keep_a_volume_from_being_mounted() -> Result<()> {
    let authority = Authority::new("one")?;
    let there = Agent::start(authority.server("127.0.0.1")?, mind())?;
    // It accepts and says nothing, as a pod's address does behind a firewall once the pod is gone.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let folder = lockstep_testbed::Folder::new("node-two")?;
    let (ca_file, token_file) = (folder.path().join("ca.crt"), folder.path().join("token"));
    std::fs::write(&ca_file, &authority.pem)?;
    std::fs::write(&token_file, crate::world::OWN_TOKEN)?;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let closed = lockstep_testbed::port::free()?;
    let urls = format!("https://{},https://127.0.0.1:{closed},{}", silent.local_addr()?, there.url());
    let node = lockstep_tests::node_agent::NodeAgent::start(&urls, &ca_file, &token_file, &[]).await?;
    let driver = node.driver();
    driver.mount(&pod(), &Class::of(DB)).await?;
    drop(there);
    let status = driver.mount(&pod(), &Class::of(DB)).await.err().map(|status| (status.code(), status.message().to_owned()));
    println!("{status:?}");
    assert_eq!(status.map(|(code, _)| code), Some(Code::Unavailable));
    Ok(())
}
