//! What is logged, changed while everything runs.

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::fleet::{STORY_LIMIT, Settings};
use lockstep_testbed::{Fleet, Process, wait};
use nix::sys::signal::Signal;
use reqwest::{Certificate, Client};

const CHANGED: &str = "what is logged was changed";

/// Waits until a process says so many times that its filter was changed.
async fn changed(process: &Process, times: usize) -> Result<()> {
    wait::until(&format!("{} to change what it logs", process.name()), STORY_LIMIT, async || {
        let said = process.log().matches(CHANGED).count();
        ensure!(said >= times, "{said} times");
        anyhow::Ok(())
    })
    .await
}

#[tokio::test]
async fn one_request_makes_every_replica_log_more_until_its_time_is_over() -> Result<()> {
    let settings = Settings { replicas: 2, clusters: 0, log: "info".to_owned(), ..Settings::default() };
    let fleet = Fleet::start_replicas(settings).await?;
    let root = Certificate::from_pem(&std::fs::read(fleet.root_file())?)?;
    let client = Client::builder().tls_certs_only([root]).build()?;
    // As long as both need to notice, and a little.
    let asked =
        fleet.cli(&["log-filter", "set", "info,lockstep_server::rest=debug", "--ttl", "25s", "-o", "json"]).await?.json()?;
    ensure!(asked["filter"] == "info,lockstep_server::rest=debug" && asked["until"].is_string(), "{asked}");
    let shown = fleet.cli(&["log-filter", "show"]).await?.stdout;
    ensure!(shown.contains("info,lockstep_server::rest=debug") && shown.contains("token:bootstrap"), "{shown}");
    for replica in &fleet.replicas {
        changed(replica.process()?, 1).await?;
        let log = replica.process()?.log();
        let before = log.split(CHANGED).next().unwrap_or_default();
        ensure!(!before.contains("request.handled"), "{} said more than was asked", replica.name());
        client.get(format!("{}/healthz", replica.rest_url())).send().await?.error_for_status()?;
        wait::until("the request to be logged", STORY_LIMIT, async || {
            let log = replica.process()?.log();
            ensure!(log.contains("request.handled"), "{}", replica.process()?.log_tail());
            anyhow::Ok(())
        })
        .await?;
    }
    for replica in &fleet.replicas {
        changed(replica.process()?, 2).await?;
    }
    let history = fleet.cli(&["get", "changes", "-o", "json"]).await?.json()?.to_string();
    ensure!(history.contains("LogFilterSet"), "who asked is in the history");
    Ok(())
}

#[tokio::test]
async fn a_log_filter_that_is_reset_ends_before_its_time_and_one_that_is_wrong_says_what_is_right() -> Result<()> {
    let settings = Settings { replicas: 1, clusters: 0, log: "info".to_owned(), ..Settings::default() };
    let fleet = Fleet::start_replicas(settings).await?;
    let replica = fleet.replicas[0].process()?;
    for (arguments, advice) in [
        (&["log-filter", "set", "info,lockstep_server=loud"][..], "such as info,lockstep_server::watch=debug"),
        (&["log-filter", "set", "debug", "--ttl", "2d"], "use 1 to 86400"),
    ] {
        let refused = fleet.cli_any(arguments).await?;
        ensure!(refused.code == 1 && refused.stderr.contains(advice), "{arguments:?}: {}", refused.stderr);
    }
    fleet.cli(&["log-filter", "set", "info,lockstep_server::rest=debug"]).await?;
    changed(replica, 1).await?;
    let reset = fleet.cli(&["log-filter", "reset", "-o", "json"]).await?.json()?;
    ensure!(reset["configured"] == "info" && reset["filter"].is_null(), "{reset}");
    changed(replica, 2).await
}

#[tokio::test]
async fn an_agent_logs_more_and_less_by_its_own_command() -> Result<()> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 1, log: "info".to_owned(), ..Settings::default() }).await?;
    let agent = fleet.agents[0].process()?;
    agent.signal(Signal::SIGUSR1)?;
    changed(agent, 1).await?;
    let program = lockstep_testbed::bin("lockstep-agent")?;
    let pid = agent.pid().to_string();
    let told = std::process::Command::new(program).args(["log", "configured", "--pid", &pid]).output()?;
    ensure!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    changed(agent, 2).await?;
    let last = agent.log().lines().rfind(|line| line.contains(CHANGED)).context("no line")?.to_owned();
    ensure!(last.contains("\"filter\":\"info\""), "{last}");
    ensure!(agent.is_running(), "it goes on");
    Ok(())
}
