//! The command line.

mod cache;
mod node;
mod volumes;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::address::ServerAddress;
use crate::tls::pin::Pin;
pub use cache::CacheArguments;
pub use node::NodeArguments;
pub use volumes::VolumesArguments;

const RUN_EXAMPLE: &str = "Example:
  lockstep-agent run --state-dir /var/lib/lockstep --directory-root /run/secrets/lockstep \\
    --server https://lockstep.example:8444 \\
    --join https://lockstep.example:8445 --token-file /etc/lockstep/token --pin sha256:4f0c... --cluster prod-eu

In a cluster, as a Deployment with two replicas and no volume:
  lockstep-agent run --kubernetes --server https://lockstep.example:8444 \\
    --join https://lockstep.example:8445 --token-file /etc/lockstep/token --pin sha256:4f0c... --cluster prod-eu

Once it has joined, --token-file, --pin and --cluster are not used any more; --join is used to renew an expired certificate.";

const STATUS_EXAMPLE: &str = "Example:
  lockstep-agent status --state-dir /var/lib/lockstep
  kubectl exec deploy/lockstep-agent -- lockstep-agent status --kubernetes --cache-dir /var/cache/lockstep/volumes";

const LOG_EXAMPLE: &str = "Example:
  kubectl exec deploy/lockstep-agent -- lockstep-agent log debug
  lockstep-agent log configured --pid 4711";

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
    Run(Box<RunArguments>),
    /// On a node: have the Secrets Store CSI driver mount volumes with what the cluster's agent holds.
    #[command(after_help = node::EXAMPLE)]
    Node(Box<NodeArguments>),
    /// Show who this agent is and what it holds: no values, no keys.
    #[command(after_help = STATUS_EXAMPLE)]
    Status(StatusArguments),
    /// Have a running agent log more, or what is configured again, without restarting it.
    #[command(after_help = LOG_EXAMPLE)]
    Log(LogArguments),
}

/// Of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    /// Where the agent keeps its identity and what it knows; made with mode 0700.
    #[arg(long, env = "LOCKSTEP_AGENT_STATE_DIR", required_unless_present = "kubernetes", conflicts_with = "kubernetes")]
    pub state_dir: Option<PathBuf>,
    /// Where targets that are directories go; made with mode 0700.
    #[arg(long, env = "LOCKSTEP_AGENT_DIRECTORY_ROOT", required_unless_present = "kubernetes")]
    pub directory_root: Option<PathBuf>,
    /// Where it runs, if in Kubernetes.
    #[command(flatten)]
    pub cluster: KubernetesArguments,
    /// Where what pods may mount is kept.
    #[command(flatten)]
    pub cache: CacheArguments,
    /// What it serves to node agents.
    #[command(flatten)]
    pub volumes: VolumesArguments,
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
    /// The cluster's name as registered: a token of another cluster is then refused, so that a mix-up takes no cluster from its agent.
    #[arg(long = "cluster", env = "LOCKSTEP_AGENT_CLUSTER", value_name = "NAME", default_value = "", hide_default_value = true)]
    pub cluster_name: String,
    /// A file with a token of this agent's service account, for one audience that is not the API server's; several may be given. The server logs in at
    /// a Vault with it, where a source is read as the cluster.
    #[arg(long = "identity-token-file", env = "LOCKSTEP_AGENT_IDENTITY_TOKEN_FILE", value_name = "FILE", value_delimiter = ',')]
    pub identity_token_files: Vec<PathBuf>,
    /// Where to serve /metrics, /healthz and /readyz, such as 127.0.0.1:9090; nowhere if not given.
    #[arg(long, env = "LOCKSTEP_AGENT_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// Where spans are exported to: http://HOST:PORT or https://HOST:PORT of an OTLP receiver that speaks gRPC; nowhere if not given.
    #[arg(long, env = "LOCKSTEP_AGENT_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// A PEM file of certificates to trust there.
    #[arg(long, env = "LOCKSTEP_AGENT_OTLP_CA_FILE", requires = "otlp_endpoint")]
    pub otlp_ca_file: Option<PathBuf>,
    /// Where several agents on hosts stand by for each other: higher with each that takes over. With --kubernetes the Lease tells it.
    #[arg(long, env = "LOCKSTEP_AGENT_LEASE_TERM", default_value_t = 0)]
    pub lease_term: u64,
    /// How logs are written to standard error; LOCKSTEP_LOG says what is logged (info).
    #[arg(long, env = "LOCKSTEP_AGENT_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
}

/// Where an agent in Kubernetes finds what it needs there.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "In Kubernetes")]
pub struct KubernetesArguments {
    /// Keep the state in a Secret of the agent's namespace instead of a directory, and stand by for other replicas by a Lease.
    #[arg(long)]
    pub kubernetes: bool,
    /// How to reach the API server; without it, as the pod's service account.
    #[arg(long, env = "LOCKSTEP_AGENT_KUBECONFIG", conflicts_with = "state_dir")]
    pub kubeconfig: Option<PathBuf>,
    /// The agent's namespace; without it, the pod's, or the kubeconfig's.
    #[arg(long, env = "LOCKSTEP_AGENT_NAMESPACE", conflicts_with = "state_dir")]
    pub namespace: Option<String>,
    /// The agent's pod, named in the Lease; without it, POD_NAME or HOSTNAME.
    #[arg(long, env = "LOCKSTEP_AGENT_POD_NAME", conflicts_with = "state_dir")]
    pub pod_name: Option<String>,
    /// The Secret with the agent's identity; what it holds is in a second one, named with -held behind.
    #[arg(long, env = "LOCKSTEP_AGENT_STATE_SECRET", default_value = "lockstep-agent")]
    pub state_secret: String,
    /// The Lease that says which replica works.
    #[arg(long, env = "LOCKSTEP_AGENT_LEASE", default_value = "lockstep-agent")]
    pub lease: String,
    /// After how long without a sign of life another replica takes over.
    #[arg(long, env = "LOCKSTEP_AGENT_LEASE_DURATION_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u32).range(3..=300))]
    pub lease_duration_seconds: u32,
    /// Which Secrets the agent's Roles let it use: only those they name, or all of a namespace.
    #[arg(long, env = "LOCKSTEP_AGENT_SECRET_ACCESS", value_enum, default_value_t = SecretAccess::Names)]
    pub secret_access: SecretAccess,
    /// The most workloads that are restarted at a time because a Secret of theirs changed; 0: none ever is.
    #[arg(long, env = "LOCKSTEP_AGENT_RESTART_BUDGET", default_value_t = 3)]
    pub restart_budget: usize,
    /// How long an older content of an immutable Secret is kept at least, once there is a newer one; after that, until nothing known refers to it.
    #[arg(long, env = "LOCKSTEP_AGENT_KEEP_OLDER_SECONDS", default_value_t = 86_400)]
    pub keep_older_seconds: u32,
}

/// Which Secrets the agent may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SecretAccess {
    /// Those that its Roles name; it never lists.
    Names,
    /// All of the namespaces that it delivers to.
    Namespaces,
}

impl KubernetesArguments {
    /// Of the Lease.
    pub(crate) fn lease_duration(&self) -> Duration {
        Duration::from_secs(self.lease_duration_seconds.into())
    }
}

/// Of `status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArguments {
    /// The agent's state directory.
    #[arg(long, env = "LOCKSTEP_AGENT_STATE_DIR", required_unless_present = "kubernetes", conflicts_with = "kubernetes")]
    pub state_dir: Option<PathBuf>,
    /// Where it runs, if in Kubernetes.
    #[command(flatten)]
    pub cluster: KubernetesArguments,
    /// The folder of its cache, to say also how fresh what pods may mount is.
    #[arg(long, env = "LOCKSTEP_AGENT_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,
    /// For people or for programs.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}

/// Of `log`.
#[derive(Debug, Clone, Args)]
pub struct LogArguments {
    /// What is logged from now on.
    #[arg(value_enum)]
    pub level: LogLevel,
    /// The process that is told; in a container the agent is the first.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: i32,
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything that the agent itself says at debug and above; libraries as configured.
    Debug,
    /// What LOCKSTEP_LOG says.
    Configured,
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

    #[test]
    fn on_a_host_it_needs_directories_and_in_kubernetes_none() {
        let parse = |more: &[&str]| {
            let all = ["lockstep-agent", "run", "--server", "https://a:1"].iter().chain(more);
            Command::try_parse_from(all).map(|_| ()).map_err(|e| e.to_string())
        };
        parse(&["--state-dir", "s", "--directory-root", "d"]).unwrap();
        parse(&["--kubernetes"]).unwrap();
        parse(&["--kubernetes", "--directory-root", "d", "--namespace", "n", "--lease-duration-seconds", "3"]).unwrap();
        for (more, part) in [
            (&["--directory-root", "d"][..], "--state-dir"),
            (&["--state-dir", "s"], "--directory-root"),
            (&["--kubernetes", "--state-dir", "s"], "cannot be used with"),
            (&["--state-dir", "s", "--directory-root", "d", "--namespace", "n"], "cannot be used with"),
            (&["--kubernetes", "--lease-duration-seconds", "2"], "3..=300"),
        ] {
            let error = parse(more).expect_err(part);
            assert!(error.contains(part), "{more:?}: {error}");
        }
    }
}
