//! `lockstep-agent`.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use lockstep_agent::clock::SystemClock;
use lockstep_agent::command::{Action, Command, RunArguments, StatusArguments};
use lockstep_agent::{logging, memory, run, status};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let done = match Command::parse().action {
        Action::Run(arguments) => run_agent(*arguments),
        Action::Status(arguments) => show_status(&arguments),
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
    memory::close()?;
    tracing::subscriber::set_global_default(logging::subscriber(arguments.log_format))?;
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
    Ok(run::run(arguments, Arc::new(SystemClock::start()), prometheus::Registry::new(), stop).await?)
}

#[tokio::main(flavor = "current_thread")]
async fn show_status(arguments: &StatusArguments) -> anyhow::Result<()> {
    status::status(arguments).await.map(|text| print!("{text}"))
}
