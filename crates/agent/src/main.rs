//! `lockstep-agent`.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use lockstep_agent::clock::SystemClock;
use lockstep_agent::command::{Action, Command, LogArguments, LogFormat, LogLevel, NodeArguments, RunArguments, StatusArguments};
use lockstep_agent::{logging, memory, node, run, status};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let done = match Command::parse().action {
        Action::Run(arguments) => run_agent(*arguments),
        Action::Node(arguments) => run_node(*arguments),
        Action::Status(arguments) => show_status(&arguments),
        Action::Log(arguments) => change_log(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lockstep-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn run_agent(arguments: RunArguments) -> anyhow::Result<()> {
    let stop = begin(arguments.log_format)?;
    Ok(run::run(arguments, Arc::new(SystemClock::start()), prometheus::Registry::new(), stop).await?)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn run_node(arguments: NodeArguments) -> anyhow::Result<()> {
    let stop = begin(arguments.log_format)?;
    node::run(arguments, prometheus::Registry::new(), stop).await
}

/// What every process that holds material begins with. The token is cancelled when it is asked to end.
fn begin(log_format: LogFormat) -> anyhow::Result<CancellationToken> {
    memory::close()?;
    let (subscriber, logs) = logging::subscriber(log_format);
    tracing::subscriber::set_global_default(subscriber)?;
    let (mut more, mut as_configured) = (signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = more.recv() => logs.set(true),
                _ = as_configured.recv() => logs.set(false),
            }
        }
    });
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let asked = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to end; finishing what was begun");
        asked.cancel();
    });
    Ok(stop)
}

/// By a signal, so that it works in an image without a shell: `kubectl exec` starts this program beside the one that runs.
fn change_log(arguments: &LogArguments) -> anyhow::Result<()> {
    let signal = match arguments.level {
        LogLevel::Debug => Signal::SIGUSR1,
        LogLevel::Configured => Signal::SIGUSR2,
    };
    nix::sys::signal::kill(Pid::from_raw(arguments.pid), signal).with_context(|| format!("telling process {}", arguments.pid))?;
    println!("process {} was told; its log says so", arguments.pid);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn show_status(arguments: &StatusArguments) -> anyhow::Result<()> {
    status::status(arguments).await.map(|text| print!("{text}"))
}
