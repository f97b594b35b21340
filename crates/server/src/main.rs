//! `lockstep-server`: see the library for what it does.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lockstep_server::config::Config;
use lockstep_server::{bootstrap, logging, run};

/// Lockstep's control plane.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  lockstep-server bootstrap --config server.yaml --token-file admin.token\n  lockstep-server run --config server.yaml"
)]
struct Arguments {
    /// What to log, as in RUST_LOG; dependencies that would print bodies stay capped.
    #[arg(long, env = "LOCKSTEP_LOG", default_value = "info", global = true)]
    log: String,
    /// Plain text instead of JSON.
    #[arg(long, global = true)]
    log_text: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a replica.
    Run {
        /// The configuration file.
        #[arg(long, short)]
        config: PathBuf,
    },
    /// Creates the schema and the first API token. Safe to repeat.
    Bootstrap {
        /// The configuration file.
        #[arg(long, short)]
        config: PathBuf,
        /// Where the first API token is written; must not exist yet.
        #[arg(long)]
        token_file: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match execute(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lockstep-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(arguments: Arguments) -> anyhow::Result<()> {
    logging::start(&arguments.log, !arguments.log_text)?;
    match arguments.command {
        Command::Run { config } => run::run(Config::read(&config)?).await,
        Command::Bootstrap { config, token_file } => {
            if bootstrap::bootstrap(&Config::read(&config)?, &token_file).await? {
                println!("the first API token is in {}; next: lockstep login --token-file {0}", token_file.display());
            } else {
                println!("there is an API token already; nothing was done");
            }
            Ok(())
        }
    }
}
