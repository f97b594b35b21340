//! What a pod's mount costs, as the driver asks for it; against a bare gRPC responder that asks the API server for one TokenReview.

mod pods;
mod provider;
mod responder;
mod storm;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use lockstep_testbed::fleet::{KV, NodeAgent, Settings, Sink};
use lockstep_testbed::{Fleet, Folder};
use serde_json::json;

use crate::figures::{median, percentile_ms};
use crate::printing::{Figure, Printing, goal, number, plain};
use crate::process::{Memory, memory_mib};
use pods::{NODE, SECRET};
use provider::{MountRequest, Provider};
use responder::{Responder, Reviewer};

/// How long an API server remembers whose a token is: 10 s (kubernetes, pkg/kubeapiserver/authenticator), and a little more. A pod that starts has a
/// token that it never saw, so none is shown twice within this time.
const FORGOTTEN: Duration = Duration::from_secs(12);

/// Of `mount`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Pods, each with a token of its own. Each mounts once in the storm, once alone, and once among others.
    #[arg(long, default_value_t = 1_000)]
    pods: usize,
    /// Rounds; pods are shared out among them, half of each to Lockstep and half to the bare responder. The figures are the medians of the rounds'.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Mounts in a second of the storm.
    #[arg(long, default_value_t = 50)]
    per_second: u32,
    /// Mounts under way at a time for throughput: by default as many as a node agent takes on.
    #[arg(long, default_value_t = 16)]
    in_flight: usize,
    /// Bytes of the secret's password. A volume has it twice, as a file and within a JSON file of all keys.
    #[arg(long, default_value_t = 32)]
    value_bytes: usize,
    #[command(flatten)]
    printing: Printing,
}

/// Who is asked.
struct Providers {
    /// The node agent, on its socket.
    lockstep: Provider,
    /// The bare responder, with a TokenReview for each mount.
    bare: Provider,
    /// The same without.
    echo: Provider,
}

/// The times of one round, mount after mount.
#[derive(Default)]
struct Round {
    lockstep: Vec<Duration>,
    bare: Vec<Duration>,
    echo: Vec<Duration>,
}

/// Runs it and prints.
pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let in_a_run = arguments.pods / arguments.runs.max(1) / 2;
    ensure!(in_a_run > 0 && arguments.per_second > 0 && arguments.in_flight > 0, "--pods: at least two for each of --runs");
    let fleet = start(arguments.value_bytes).await?;
    let pods = pods::make(&fleet, arguments.pods).await?;
    let node = fleet.agents[0].start_node_logging(NODE, "info").await?;
    let folder = Folder::new("bench")?;
    let lockstep = Provider::at(&node.providers.join("lockstep.sock")).await?;
    let idle = Weight::now(&fleet, &node)?;

    eprintln!("a storm: {} pods, {} a second", pods.len(), arguments.per_second);
    let stormed = storm::run(&fleet, &node, &lockstep, &pods, arguments.per_second).await?;
    let after = Weight::now(&fleet, &node)?;

    let answer = lockstep.mount(pods[0].clone()).await?;
    let serve = async |name: &str, reviewer| Responder::serve(&folder.path().join(name), answer.clone(), reviewer).await;
    let bare = serve("bare.sock", Some(Reviewer::new(&fleet).await?)).await?;
    let echo = serve("echo.sock", None).await?;
    let providers = Providers { lockstep, bare, echo };

    tokio::time::sleep(FORGOTTEN).await;
    let mut rounds = Vec::new();
    for (index, share) in pods.chunks_exact(in_a_run * 2).take(arguments.runs).enumerate() {
        eprintln!("round {} of {}: one mount at a time", index + 1, arguments.runs);
        rounds.push(one_at_a_time(&providers, share).await?);
    }
    tokio::time::sleep(FORGOTTEN).await;
    let mut rates = Vec::new();
    for (index, share) in pods.chunks_exact(in_a_run * 2).take(arguments.runs).enumerate() {
        eprintln!("round {} of {}: {} mounts at a time", index + 1, arguments.runs, arguments.in_flight);
        rates.push(many_at_a_time(&providers, share, arguments.in_flight, index % 2 == 0).await?);
    }

    let thousands = number(pods.len()) / 1e3;
    let mut figures = vec![
        plain("pods", number(pods.len())),
        plain("runs", number(rounds.len())),
        plain("mounts_per_run", number(in_a_run)),
        plain("in_flight", number(arguments.in_flight)),
        plain("value_bytes", number(arguments.value_bytes)),
    ];
    figures.extend(latencies(&rounds));
    figures.extend([
        plain("mounts_per_s", median(&rates.iter().map(|rate| rate.0).collect::<Vec<_>>())),
        plain("bare_mounts_per_s", median(&rates.iter().map(|rate| rate.1).collect::<Vec<_>>())),
        plain("bare_to_mount_throughput", median(&rates.iter().map(|rate| rate.1 / rate.0).collect::<Vec<_>>())),
    ]);
    figures.extend(stormed.figures());
    figures.extend([
        plain("agent_idle_mib", idle.agent_mib),
        plain("agent_after_storm_mib", after.agent_mib),
        plain("agent_mib_per_1000_mounts", (after.agent_mib - idle.agent_mib) / thousands),
        plain("agent_peak_mib", memory_mib(fleet.agents[0].process()?, Memory::Peak)?),
        plain("node_agent_idle_mib", idle.node_mib),
        plain("node_agent_after_storm_mib", after.node_mib),
        plain("node_agent_mib_per_1000_mounts", (after.node_mib - idle.node_mib) / thousands),
        plain("node_agent_peak_mib", memory_mib(node.process(), Memory::Peak)?),
    ]);
    arguments.printing.print("mount", &[figures]);
    Ok(())
}

/// What both agents weigh.
struct Weight {
    agent_mib: f64,
    node_mib: f64,
}

impl Weight {
    fn now(fleet: &Fleet, node: &NodeAgent) -> Result<Self> {
        let agent_mib = memory_mib(fleet.agents[0].process()?, Memory::Resident)?;
        Ok(Self { agent_mib, node_mib: memory_mib(node.process(), Memory::Resident)? })
    }
}

/// One cluster with volumes, and one secret that its pods may mount.
async fn start(value_bytes: usize) -> Result<Fleet> {
    eprintln!("starting Postgres, OpenBao, a replica, a kube-apiserver with an agent and a node agent");
    let fleet = Fleet::start(Settings { volumes: true, ..Settings::as_shipped(Sink::Secret) }).await?;
    let keys = json!({ "username": "checkout", "password": "x".repeat(value_bytes) });
    fleet.bao.kv_put(KV, &format!("shop/{SECRET}"), &keys).await?;
    fleet.apply(&format!("{}---\n{}", fleet.basics(), pods::binding())).await?;
    fleet.await_delivery("cluster-1", SECRET, "InSync").await?;
    Ok(fleet)
}

/// One and the other in turns, so that what else the machine does hits all alike; no two with the same token.
async fn one_at_a_time(providers: &Providers, share: &[MountRequest]) -> Result<Round> {
    let mut round = Round::default();
    for pair in share.chunks_exact(2) {
        round.lockstep.push(timed(&providers.lockstep, &pair[0]).await?);
        round.bare.push(timed(&providers.bare, &pair[1]).await?);
        round.echo.push(timed(&providers.echo, &pair[1]).await?);
    }
    Ok(round)
}

async fn timed(provider: &Provider, request: &MountRequest) -> Result<Duration> {
    let (request, began) = (request.clone(), Instant::now());
    let answer = provider.mount(request).await?;
    let took = began.elapsed();
    ensure!(answer.files.len() == 2, "{} files were mounted", answer.files.len());
    Ok(took)
}

/// Mounts per second: Lockstep's, the bare responder's. Who begins changes from round to round.
async fn many_at_a_time(
    providers: &Providers,
    share: &[MountRequest],
    in_flight: usize,
    is_ours_first: bool,
) -> Result<(f64, f64)> {
    let (ours, bares) = share.split_at(share.len() / 2);
    if is_ours_first {
        let rate = per_second(&providers.lockstep, ours, in_flight).await?;
        Ok((rate, per_second(&providers.bare, bares, in_flight).await?))
    } else {
        let rate = per_second(&providers.bare, bares, in_flight).await?;
        Ok((per_second(&providers.lockstep, ours, in_flight).await?, rate))
    }
}

async fn per_second(provider: &Provider, requests: &[MountRequest], in_flight: usize) -> Result<f64> {
    let began = Instant::now();
    let all = requests.iter().map(|request| timed(provider, request));
    let took: Vec<Duration> =
        stream::iter(all).buffer_unordered(in_flight).try_collect().await.context("mounting many at a time")?;
    Ok(number(took.len()) / began.elapsed().as_secs_f64())
}

fn latencies(rounds: &[Round]) -> Vec<Figure> {
    let of = |times: fn(&Round) -> &Vec<Duration>, percent| {
        median(&rounds.iter().map(|round| percentile_ms(times(round), percent)).collect::<Vec<_>>())
    };
    let ratio = |to: fn(&Round) -> &Vec<Duration>, percent| {
        let ratios = rounds.iter().map(|r| percentile_ms(&r.lockstep, percent) / percentile_ms(to(r), percent));
        median(&ratios.collect::<Vec<_>>())
    };
    vec![
        plain("mount_p50_ms", of(|r| &r.lockstep, 50)),
        plain("mount_p99_ms", of(|r| &r.lockstep, 99)),
        plain("bare_p50_ms", of(|r| &r.bare, 50)),
        plain("bare_p99_ms", of(|r| &r.bare, 99)),
        plain("bare_unreviewed_p50_ms", of(|r| &r.echo, 50)),
        plain("bare_unreviewed_p99_ms", of(|r| &r.echo, 99)),
        goal("mount_to_bare_p50", ratio(|r| &r.bare, 50), 2.0),
        plain("mount_to_bare_p99", ratio(|r| &r.bare, 99)),
        plain("mount_to_bare_unreviewed_p50", ratio(|r| &r.echo, 50)),
    ]
}
