//! What the driver calls: `v1alpha1.CSIDriverProvider`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockstep_proto::provider::csi_driver_provider_server::CsiDriverProvider;
use lockstep_proto::provider::{MountRequest, MountResponse, VersionRequest, VersionResponse};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};
use tonic::{Request, Response, Status};

use super::agents::Agents;
use super::files::{Volume, volume};
use super::metrics::{NodeMetrics, Outcome};
use super::refusal::Refusal;
use super::request::Mount;
use crate::volumes::AUDIENCE;

/// Of the driver's contract.
const CONTRACT: &str = "v1alpha1";
/// How long a mount waits for its turn: less than an agent has to answer.
const TURN_LIMIT: Duration = Duration::from_secs(3);

/// One for the node.
pub(super) struct Provider {
    agents: Arc<Agents>,
    concurrent: u16,
    turns: Semaphore,
    metrics: NodeMetrics,
    /// What was said already of classes that came from Vault's provider.
    told: Mutex<BTreeSet<&'static str>>,
}

impl Provider {
    pub(super) fn new(agents: Arc<Agents>, concurrent: u16, metrics: NodeMetrics) -> Self {
        let turns = Semaphore::new(concurrent.into());
        Self { agents, concurrent, turns, metrics, told: Mutex::default() }
    }

    async fn volume(&self, request: &MountRequest) -> Result<MountResponse, Refusal> {
        let mount = Mount::parse(request, AUDIENCE).inspect_err(|why| tracing::warn!(%why, "a mount is refused"))?;
        self.tell_needless(&mount);
        let pod = &mount.pod;
        let made = self.of_agent(&mount).await.inspect_err(|why| {
            tracing::warn!(namespace = pod.namespace, pod = pod.name, service_account = pod.service_account, %why, "a volume is not mounted");
        })?;
        if made.is_stale {
            self.metrics.stale.inc();
        }
        tracing::debug!(
            namespace = pod.namespace,
            pod = pod.name,
            files = made.response.files.len(),
            stale = made.is_stale,
            "a volume is mounted"
        );
        Ok(made.response)
    }

    async fn of_agent(&self, mount: &Mount) -> Result<Volume, Refusal> {
        let _turn = self.turn().await?;
        let answer = self.agents.read(&mount.question()).await?;
        volume(&mount.objects, mount.mode, answer)
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        match timeout(TURN_LIMIT, self.turns.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Refusal::exhausted(format!(
                "this node agent mounts {} volumes at a time, and all of that was in use for {TURN_LIMIT:?}; kubelet tries again \
                 (--concurrent-mounts allows more)",
                self.concurrent
            ))),
        }
    }

    /// Once for each parameter, not for each mount.
    fn tell_needless(&self, mount: &Mount) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &mount.needless {
            if told.insert(name) {
                let class_of = &mount.pod.namespace;
                tracing::info!(
                    parameter = name,
                    namespace = class_of,
                    "a class has a parameter of Vault's provider, which is not needed here"
                );
            }
        }
    }
}

#[tonic::async_trait]
impl CsiDriverProvider for Provider {
    async fn version(&self, request: Request<VersionRequest>) -> Result<Response<VersionResponse>, Status> {
        tracing::debug!(asked = request.into_inner().version, "the driver asks for the version");
        Ok(Response::new(VersionResponse {
            version: CONTRACT.to_owned(),
            runtime_name: "lockstep".to_owned(),
            runtime_version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    async fn mount(&self, request: Request<MountRequest>) -> Result<Response<MountResponse>, Status> {
        let (_in_flight, began) = (self.metrics.begin(), Instant::now());
        let made = self.volume(request.get_ref()).await;
        self.metrics.count(made.as_ref().err().map_or(Outcome::Mounted, Refusal::outcome));
        self.metrics.seconds.observe(began.elapsed().as_secs_f64());
        Ok(Response::new(made?))
    }
}
