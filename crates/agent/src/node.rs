//! `lockstep-agent node`: on each node, what the Secrets Store CSI driver mounts volumes by, for classes with `provider: lockstep`.
//!
//! It holds nothing: for each mount it asks the cluster's agent, shows it the pod's token beside its own, and gives the driver finished files. Who may
//! have what is the agent's to decide.
//!
//! | module | what it is |
//! |---|---|
//! | `request`, `object`, `mode`, `encoding` | what the driver and the class ask for (pure) |
//! | `files`, `names` | the volume's files (pure) |
//! | `agents`, `trust` | the way to the agent |
//! | `service`, `socket`, `refusal` | the way to the driver |

mod agents;
mod encoding;
mod files;
mod metrics;
mod mode;
mod names;
mod object;
mod probe;
mod refusal;
mod request;
mod service;
mod socket;
mod trust;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use lockstep_proto::provider::csi_driver_provider_server::CsiDriverProviderServer;
use prometheus::Registry;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::command::NodeArguments;
use agents::Agents;
use metrics::NodeMetrics;
pub use metrics::declared as declared_metrics;
use service::Provider;
use socket::Socket;

/// The most of one question: a class is an object of Kubernetes, which etcd holds to 1.5 MiB.
const QUESTION_MAX_BYTES: usize = 2 << 20;
/// The most of one answer. A volume's own limit is below it, and is told as such.
const ANSWER_MAX_BYTES: usize = 5 << 20;
/// How many questions of a connection are open at a time, those too that wait for their turn.
const OPEN_QUESTIONS_MAX: u32 = 256;

/// Serves the driver until `stop` is cancelled.
pub async fn run(arguments: NodeArguments, registry: Registry, stop: CancellationToken) -> Result<()> {
    let NodeArguments { providers_dir, agents, agent_ca_file, token_file, concurrent_mounts, metrics_listen, .. } = arguments;
    let metrics = NodeMetrics::register(&registry).context("registering metrics")?;
    let agents = Arc::new(Agents::new(agents, agent_ca_file.clone(), token_file));
    let probe_stop = CancellationToken::new();
    let probing = match metrics_listen {
        None => None,
        Some(address) => {
            let listener = crate::probe::bind(address).await.with_context(|| format!("listening for metrics on {address}"))?;
            Some(tokio::spawn(probe::serve(listener, registry, agents.clone(), probe_stop.clone())))
        }
    };
    let (socket, listener) = Socket::listen(&providers_dir)?;
    tracing::info!(socket = %socket.path().display(), agents = %agents.names(), "volumes are mounted here");
    let telling = tokio::spawn(trust::tell(agent_ca_file, stop.clone()));

    let provider = CsiDriverProviderServer::new(Provider::new(agents, concurrent_mounts, metrics))
        .max_decoding_message_size(QUESTION_MAX_BYTES)
        .max_encoding_message_size(ANSWER_MAX_BYTES);
    let server = Server::builder().max_concurrent_streams(OPEN_QUESTIONS_MAX).add_service(provider);
    let ended = server.serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop.clone().cancelled_owned()).await;
    stop.cancel();
    probe_stop.cancel();
    for task in std::iter::once(telling).chain(probing) {
        let _ = task.await;
    }
    socket.remove()?;
    ended.context("serving the driver")
}
