//! `lockstep-server`: see the library for what it does.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use lockstep_server::bootstrap::TokenPlace;
use lockstep_server::config::Config;
use lockstep_server::{bootstrap, logging, memory, run};

const NOTHING_DONE: &str = "somebody administers everything already; nothing was done";

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
        #[command(flatten)]
        configuration: Configuration,
    },
    /// Creates the schema and the first API token. Safe to repeat.
    Bootstrap {
        #[command(flatten)]
        configuration: Configuration,
        /// Where the first API token is written; must not exist yet. `-` prints it to standard output, and nothing else.
        #[arg(long)]
        token_file: PathBuf,
    },
}

#[derive(Args)]
struct Configuration {
    /// The configuration file.
    #[arg(long, short)]
    config: PathBuf,
    /// This replica's name, instead of the file's; must differ between replicas.
    #[arg(long, env = "LOCKSTEP_REPLICA")]
    replica: Option<String>,
}

impl Configuration {
    fn read(self) -> anyhow::Result<Config> {
        Config::read(&self.config, self.replica)
    }
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
    memory::close()?;
    let logs = logging::start(&arguments.log, !arguments.log_text)?;
    match arguments.command {
        Command::Run { configuration } => run::run(configuration.read()?, logs).await,
        Command::Bootstrap { configuration, token_file } => {
            let place = TokenPlace::named(&token_file);
            let minted = bootstrap::bootstrap(&configuration.read()?, place).await?;
            match (minted, place) {
                (true, TokenPlace::File(file)) => {
                    println!("the first API token is in {}; next: lockstep login --token-file {0}", file.display());
                }
                (true, TokenPlace::StandardOutput) => {}
                // Whoever keeps standard output as the token must not keep this sentence.
                (false, TokenPlace::StandardOutput) => eprintln!("{NOTHING_DONE}"),
                (false, TokenPlace::File(_)) => println!("{NOTHING_DONE}"),
            }
            Ok(())
        }
    }
}
