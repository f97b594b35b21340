//! Of `run`: how pods' volumes are served to the node agents of the cluster.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, value_parser};

use crate::address::ServerAddress;

/// How node agents ask for what pods mount.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Volumes of pods")]
pub struct VolumesArguments {
    /// Where to serve the node agents of this cluster (`lockstep-agent node`), such as 0.0.0.0:8446; nowhere if not given, and then
    /// nothing whose target is csi is taken.
    #[arg(long = "node-listen", env = "LOCKSTEP_AGENT_NODE_LISTEN", conflicts_with = "state_dir", requires = "server_names")]
    pub listen: Option<SocketAddr>,
    /// A name that node agents dial, which the certificate shows: of the Service, such as lockstep-agent-volumes.lockstep.svc; several
    /// may be given.
    #[arg(long = "node-server-name", env = "LOCKSTEP_AGENT_NODE_SERVER_NAME", value_name = "NAME", value_delimiter = ',')]
    pub server_names: Vec<String>,
    /// The service account of the node agents, in the agent's namespace: no other may ask.
    #[arg(long = "node-service-account", env = "LOCKSTEP_AGENT_NODE_SERVICE_ACCOUNT", default_value = "lockstep-node")]
    pub node_service_account: String,
    /// The most requests of one node at once.
    #[arg(long = "node-requests", env = "LOCKSTEP_AGENT_NODE_REQUESTS", default_value_t = 32, value_parser = value_parser!(u16).range(1..=1024))]
    pub node_requests: u16,
    /// The Secret with the keys of the CA that signs the certificate; made if it is not there.
    #[arg(long = "node-ca-secret", env = "LOCKSTEP_AGENT_NODE_CA_SECRET", default_value = "lockstep-agent-volumes-ca")]
    pub ca_secret: String,
    /// The ConfigMap where the CA's certificates are published, under ca.crt: node agents trust what it says.
    #[arg(long = "node-ca-config-map", env = "LOCKSTEP_AGENT_NODE_CA_CONFIG_MAP", default_value = "lockstep-agent-volumes")]
    pub ca_config_map: String,
    /// The same Service, https://HOST:PORT: while this replica stands by, it keeps what the one that works has, sealed, and serves it too.
    #[arg(
        long = "peer",
        env = "LOCKSTEP_AGENT_PEER",
        value_name = "ADDRESS",
        requires_all = ["listen", "peer_token_file", "dir"]
    )]
    pub peer: Option<ServerAddress>,
    /// A file with a token of this agent's service account, projected, for audience lockstep.
    #[arg(long = "peer-token-file", env = "LOCKSTEP_AGENT_PEER_TOKEN_FILE", value_name = "FILE", requires = "peer")]
    pub peer_token_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::command::{Action, Command};

    fn parse(more: &[&str]) -> Result<super::VolumesArguments, String> {
        let all = ["lockstep-agent", "run", "--server", "https://a:1"].iter().chain(more);
        match Command::try_parse_from(all).map_err(|e| e.to_string())?.action {
            Action::Run(run) => Ok(run.volumes),
            _ => unreachable!("run was asked for"),
        }
    }

    #[test]
    fn node_agents_are_served_in_kubernetes_under_names_that_are_told() {
        assert_eq!(parse(&["--kubernetes"]).unwrap().listen, None);
        let listen = ["--node-listen", "0.0.0.0:8446"];
        let all = [&["--kubernetes", "--node-server-name", "a.b.svc,c", "--node-server-name", "d"][..], &listen].concat();
        let arguments = parse(&all).unwrap();
        assert_eq!((arguments.server_names.len(), arguments.node_requests), (3, 32));
        for (more, part) in [
            (&["--kubernetes"][..], "--node-server-name"),
            (&["--state-dir", "s", "--directory-root", "d", "--node-server-name", "a"], "cannot be used with"),
            (&["--kubernetes", "--node-server-name", "a", "--node-requests", "0"], "1..=1024"),
        ] {
            let error = parse(&[more, &listen].concat()).expect_err(part);
            assert!(error.contains(part), "{more:?}: {error}");
        }
    }
}
