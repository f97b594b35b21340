//! `lockstep-testbed`: fetches parts ahead of time, and runs a program as a part.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use lockstep_testbed::part::Part;
use lockstep_testbed::process::Spec;
use lockstep_testbed::{Folder, Interrupt, Process};

/// The real parts for Lockstep's tests, demo and benchmarks.
#[derive(Debug, Parser)]
#[command(after_help = "Example: lockstep-testbed fetch postgres openbao")]
struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Finds parts on this machine, fetches those that are missing, and prints where each is.
    Fetch {
        /// postgres, openbao, faketime, etcd, kube-apiserver, kube-controller-manager, kwok, helm; all of them when none is named.
        parts: Vec<Part>,
    },
    /// Runs a program until it ends, and never longer than this command; prints its pid and the folder it works in.
    Run {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match Args::parse().action {
        Action::Fetch { parts } => fetch(&parts),
        Action::Run { program, args } => run(program, args).await,
    }
}

fn fetch(parts: &[Part]) -> Result<()> {
    for part in if parts.is_empty() { &Part::ALL } else { parts } {
        println!("{} {}", part.name(), part.find()?.display());
    }
    Ok(())
}

async fn run(program: PathBuf, args: Vec<String>) -> Result<()> {
    let mut interrupt = Interrupt::listen()?;
    let folder = Folder::new("run")?;
    let part = Process::spawn("part", Spec::new(program).args(args).orphaned_folder(folder.path()), folder.path())?;
    println!("{} {}", part.pid(), folder.path().display());
    let exit = async {
        loop {
            // Limited only by the user.
            if let Ok(code) = part.wait_exit().await {
                break code;
            }
        }
    };
    let code = tokio::select! {
        code = exit => code,
        () = interrupt.recv() => anyhow::bail!("interrupted"),
    };
    anyhow::ensure!(code == 0, "it exited with {code}; its log ends with:\n{}", part.log_tail());
    Ok(())
}
