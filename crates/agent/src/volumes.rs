//! What pods mount, for the node agents of the cluster: over TLS, to whoever shows a node agent's token and the pod's.
//!
//! Every replica serves, whether it leads or stands by; one that does not have what is asked for says so, and the other is asked.
//!
//! | module | what it is |
//! |---|---|
//! | `authority` | the CA that node agents trust, and this replica's certificate |
//! | `listener` | connections |
//! | `review` | whose a token is |
//! | `turns`, `carried` | how much at once, until it was sent |
//! | `service` | the request itself |
//! | `following`, `standby` | what the replica that works tells the one that stands by, sealed |
//! | `handover` | whether that one has everything |

mod authority;
mod carried;
mod following;
mod handover;
mod listener;
mod refusal;
mod review;
mod service;
mod standby;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use lockstep_proto::MESSAGE_MAX_BYTES;
use lockstep_proto::node::standby_server::StandbyServer;
use lockstep_proto::node::volumes_server::VolumesServer;
use lockstep_telemetry::loops::Turning;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::util::MapResponseLayer;

use crate::agent::{AgentError, Surroundings};
use crate::cache::Cache;
use crate::command::RunArguments;
use crate::kubernetes::Kubernetes;
use crate::lease::Standing;
use crate::loops::VOLUMES;
use crate::sink::csi::{Caching, Csi};
use authority::Authority;
use following::{FOLLOWERS_MAX, Following};
pub(crate) use handover::Handover;
use listener::{Bounds, Incoming};
pub(crate) use review::AUDIENCE;
use review::Reviewer;
use service::{Knowledge, Service};
#[cfg(test)]
pub(crate) use standby::STEP_MAX as FOLLOW_STEP_MAX;
use standby::{Follower, Seen};
use turns::{Turns, WAIT_LIMIT};

/// The largest clusters have 5,000 nodes, and a node agent that was started again may have two connections for a moment.
const CONNECTIONS_MAX: usize = 8_192;
/// Handshakes under way: after a restart all nodes come at once.
const HANDSHAKES_MAX: usize = 128;
/// A token, and names of 64 objects at their longest.
const REQUEST_MAX_BYTES: usize = 128 << 10;
/// What a replica says that it has: some thousand bindings.
const FOLLOW_MAX_BYTES: usize = 256 << 10;
/// Requests whose message is being read, or that are being answered.
const REQUESTS_MAX: usize = 128;
/// How long that may take.
const MESSAGE_LIMIT: Duration = Duration::from_secs(20);
const HEADERS_MAX_BYTES: u32 = 32 << 10;
/// HTTP/2 keepalive: a node that is gone is found.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long what is under way has when the agent ends.
const END_LIMIT: Duration = Duration::from_secs(5);

/// The listener, while it serves.
pub(crate) struct Volumes {
    /// What is served.
    pub(crate) csi: Arc<Csi>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    /// Here rather than with what serves: should that end by itself, it is still judged, and found to be stuck.
    _judged: Turning,
}

impl Volumes {
    /// Begins to serve, if there is an address for it. With a peer `handover` is told what is still awaited of it.
    pub(crate) async fn start(
        all: &RunArguments,
        kubernetes: &Kubernetes,
        surroundings: &Surroundings,
        standing: watch::Receiver<Standing>,
        kept: Arc<Cache>,
        handover: watch::Sender<Handover>,
    ) -> Result<Option<Self>, AgentError> {
        let RunArguments { volumes: arguments, cache, .. } = all;
        let Some(address) = arguments.listen else { return Ok(None) };
        let failed = |e: &dyn std::fmt::Display| AgentError::Volumes(format!("{address}: {e}"));
        let listener = TcpListener::bind(address).await.map_err(|e| failed(&e))?;
        let Surroundings { clock, metrics, .. } = surroundings.clone();
        let volumes = metrics.volumes.clone();
        let authority = Authority::new(kubernetes, arguments, clock.clone(), volumes.certificate_expiry.clone());
        let config = authority.config().map_err(|e| failed(&e))?;
        let csi = Arc::new(Csi::new(kept, volumes.clone()));
        if cache.dir.is_none() {
            csi.set_caching(Caching::Without);
        }
        let reviewer = Reviewer::new(kubernetes, &arguments.node_service_account, clock.clone(), volumes.clone());
        let reviewer = Arc::new(reviewer);
        let following = Following {
            csi: csi.clone(),
            reviewer: reviewer.clone(),
            standing: standing.clone(),
            turns: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
        };
        let seen =
            Seen { standing: standing.clone(), trusted: authority.trusted(), clock: clock.clone(), metrics: metrics.clone() };
        let follower = Follower::new(all, kubernetes, csi.clone(), seen, handover);
        let bounds = Bounds { handshakes: HANDSHAKES_MAX, open: CONNECTIONS_MAX, silence: KEEPALIVE_INTERVAL * 3 };
        let judged = VOLUMES.begin(&metrics);
        let incoming = listener::incoming(listener, config, bounds, metrics.clone());
        let service = Service {
            csi: csi.clone(),
            reviewer,
            turns: Turns::new(arguments.node_requests, WAIT_LIMIT),
            knowledge: Knowledge { standing, connected: metrics.connected },
            clock,
            metrics: volumes,
        };
        // More than it may have, so that it is told so.
        let streams_max = u32::from(arguments.node_requests) * 2;
        let stop = CancellationToken::new();
        let ended = stop.clone();
        let serving = tokio::spawn(async move {
            let follow = async {
                if let Some(follower) = follower {
                    follower.keep(&ended).await;
                }
            };
            tokio::join!(authority.keep(&ended), serve(incoming, service, following, streams_max, &ended), follow);
        });
        tracing::info!(%address, "serving volumes to node agents");
        Ok(Some(Self { csi, stop, serving, _judged: judged }))
    }

    /// Ends it; what is under way is answered, if that is soon.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(END_LIMIT, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
    }
}

async fn serve(incoming: Incoming, service: Service, following: Following, streams_max: u32, stop: &CancellationToken) {
    let service =
        VolumesServer::new(service).max_decoding_message_size(REQUEST_MAX_BYTES).max_encoding_message_size(MESSAGE_MAX_BYTES);
    let served = Server::builder()
        // Messages are read before anybody knows who sends them.
        .layer(GlobalConcurrencyLimitLayer::new(REQUESTS_MAX))
        .layer(MapResponseLayer::new(carried::carry))
        .timeout(MESSAGE_LIMIT)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_max_header_list_size(HEADERS_MAX_BYTES)
        .max_concurrent_streams(streams_max)
        .add_service(service)
        .add_service(
            StandbyServer::new(following)
                .max_decoding_message_size(FOLLOW_MAX_BYTES)
                .max_encoding_message_size(MESSAGE_MAX_BYTES),
        )
        .serve_with_incoming_shutdown(incoming, stop.cancelled())
        .await;
    match served {
        Err(error) => tracing::error!(%error, "volumes are not served any more: only a restart helps"),
        Ok(()) if !stop.is_cancelled() => tracing::error!("volumes are not served any more: only a restart helps"),
        Ok(()) => {}
    }
}
