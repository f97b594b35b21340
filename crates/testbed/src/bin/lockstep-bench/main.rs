//! `cargo xtask bench`: how fast, how heavy, on real parts, against a bare loop in the same run.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use lockstep_testbed::Interrupt;

mod bare;
mod figures;
mod first_sync;
mod many;
mod memory;
mod mount;
mod observer;
mod printing;
mod process;
mod propagation;

/// Measures Lockstep on real parts: Postgres, OpenBao, kube-apiserver. Build it with --release.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  cargo xtask bench propagation\n  cargo xtask bench propagation --clusters 5 --runs 1 --output json\n  cargo xtask bench first-sync\n  cargo xtask bench memory\n  cargo xtask bench mount\n  cargo xtask bench mount --pods 200 --runs 1 --output json"
)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// One write in Vault, until an observer sees it in every cluster; against a KV read and a server-side apply, nothing else.
    Propagation(propagation::Arguments),
    /// Many secrets into one cluster at once, and a reconnect with nothing to do; against parallel KV reads and server-side applies.
    FirstSync(first_sync::Arguments),
    /// The memory of an agent that holds many Secrets beside large ones of others, and of its server.
    Memory(memory::Arguments),
    /// What a pod's mount costs at a node agent, and a storm of pods; against a gRPC responder that asks for one TokenReview, nothing else.
    Mount(mount::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let mut interrupt = Interrupt::listen()?;
    let work = async {
        match arguments.bench {
            Bench::Propagation(arguments) => propagation::run(&arguments).await,
            Bench::FirstSync(arguments) => first_sync::run(&arguments).await,
            Bench::Memory(arguments) => memory::run(&arguments).await,
            Bench::Mount(arguments) => mount::run(&arguments).await,
        }
    };
    tokio::select! {
        done = work => done,
        () = interrupt.recv() => anyhow::bail!("interrupted; every part has ended"),
    }
}
