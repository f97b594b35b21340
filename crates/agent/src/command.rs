//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::address::ServerAddress;
use crate::tls::pin::Pin;

const RUN_EXAMPLE: &str = "Example:
  lockstep-agent run --state-dir /var/lib/lockstep --directory-root /run/secrets/lockstep \\
    --server https://lockstep.example:8444 \\
    --join https://lockstep.example:8445 --token-file /etc/lockstep/token --pin sha256:4f0c...

Once it has joined, --token-file and --pin are not used any more; --join is used to renew an expired certificate.";

const STATUS_EXAMPLE: &str = "Example:
  lockstep-agent status --state-dir /var/lib/lockstep";

/// The agent of one cluster: holds what the Lockstep control plane delivers.
#[derive(Debug, Parser)]
#[command(name = "lockstep-agent", version, after_help = RUN_EXAMPLE)]
pub struct Command {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Join if needed, link to a server, and keep what it delivers in step.
    #[command(after_help = RUN_EXAMPLE)]
    Run(RunArguments),
    /// Show who this agent is and what it holds: no values, no keys.
    #[command(after_help = STATUS_EXAMPLE)]
    Status(StatusArguments),
}

/// Of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    /// Where the agent keeps its identity and what it knows; made with mode 0700.
    #[arg(long, env = "LOCKSTEP_AGENT_STATE_DIR")]
    pub state_dir: PathBuf,
    /// Where targets that are directories go; made with mode 0700.
    #[arg(long, env = "LOCKSTEP_AGENT_DIRECTORY_ROOT")]
    pub directory_root: PathBuf,
    /// A server's listener for agents, https://HOST:PORT; several may be given.
    #[arg(long = "server", env = "LOCKSTEP_AGENT_SERVER", value_delimiter = ',', required = true)]
    pub servers: Vec<ServerAddress>,
    /// A server's listener for joining, https://HOST:PORT; several may be given.
    #[arg(long = "join", env = "LOCKSTEP_AGENT_JOIN", value_delimiter = ',')]
    pub join_servers: Vec<ServerAddress>,
    /// A file with the one-time token.
    #[arg(long, env = "LOCKSTEP_AGENT_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// The public key of the servers' root: sha256: and 64 hex digits.
    #[arg(long, env = "LOCKSTEP_AGENT_PIN")]
    pub pin: Option<Pin>,
    /// Where to serve /metrics, /healthz and /readyz, such as 127.0.0.1:9090; nowhere if not given.
    #[arg(long, env = "LOCKSTEP_AGENT_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// Of the cluster's Lease, where several agents stand by for each other.
    #[arg(long, env = "LOCKSTEP_AGENT_LEASE_TERM", default_value_t = 0)]
    pub lease_term: u64,
    /// How logs are written to standard error; LOCKSTEP_LOG says what is logged (info).
    #[arg(long, env = "LOCKSTEP_AGENT_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
}

/// Of `status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArguments {
    /// The agent's state directory.
    #[arg(long, env = "LOCKSTEP_AGENT_STATE_DIR")]
    pub state_dir: PathBuf,
    /// For people or for programs.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One object for each line.
    Json,
    /// For people.
    Text,
}

/// How data is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_shows_an_example() {
        Command::command().debug_assert();
        assert!(Command::command().render_help().to_string().contains("Example:"));
    }
}
