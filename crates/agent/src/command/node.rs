//! Arguments of `lockstep-agent node`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::LogFormat;
use crate::address::ServerAddress;

pub(super) const EXAMPLE: &str = "Example, in a DaemonSet:
  lockstep-agent node --agent https://lockstep-agent-volumes.lockstep:8446 \\
    --agent-ca-file /etc/lockstep/agent-ca/ca.crt --token-file /var/run/secrets/lockstep/token

The Secrets Store CSI driver finds it by its socket, for classes with `provider: lockstep`. Its CSIDriver object must list the
audience lockstep in spec.tokenRequests: with the driver's chart, --set tokenRequests[0].audience=lockstep.";

/// Of `node`.
#[derive(Debug, Clone, Args)]
pub struct NodeArguments {
    /// The folder where the driver looks for its providers' sockets; the one here is lockstep.sock.
    #[arg(long, env = "LOCKSTEP_NODE_PROVIDERS_DIR", default_value = "/var/run/secrets-store-csi-providers")]
    pub providers_dir: PathBuf,
    /// The Service of the cluster's agent, https://HOST:PORT. Headless: each of its addresses is tried. Several may be given.
    #[arg(long = "agent", env = "LOCKSTEP_NODE_AGENT", value_delimiter = ',', required = true)]
    pub agents: Vec<ServerAddress>,
    /// A PEM file with the CA that the agent publishes in a ConfigMap, mounted here. It is read again as it changes.
    #[arg(long, env = "LOCKSTEP_NODE_AGENT_CA_FILE")]
    pub agent_ca_file: PathBuf,
    /// A file with a token of this pod's service account, projected, for audience lockstep. It is read for each request.
    #[arg(long, env = "LOCKSTEP_NODE_TOKEN_FILE")]
    pub token_file: PathBuf,
    /// How many volumes are mounted at a time. Others wait for some seconds, and are then refused: the driver asks again.
    #[arg(long, env = "LOCKSTEP_NODE_CONCURRENT_MOUNTS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrent_mounts: u16,
    /// Where to serve /metrics, /healthz and /readyz, such as 127.0.0.1:9090; nowhere if not given.
    #[arg(long, env = "LOCKSTEP_AGENT_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// How logs are written to standard error; LOCKSTEP_LOG says what is logged (info).
    #[arg(long, env = "LOCKSTEP_AGENT_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
}
