//! `lockstep-agent run`: on a host at once, in Kubernetes once it leads; then joins if needed, and keeps the link.

mod joining;

use std::sync::Arc;
use std::time::Duration;

use lockstep_telemetry::traces::{self, Traces};
use prometheus::Registry;
use rand::Rng;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::agent::{Agent, AgentError, Surroundings};
use crate::cache::Cache;
use crate::clock::Clock;
use crate::command::{KubernetesArguments, RunArguments};
use crate::holdings::Holdings;
use crate::kubernetes::Kubernetes;
use crate::lease::{self, Leadership, Standing};
use crate::link;
use crate::metrics::Metrics;
use crate::probe::{self, Shown};
use crate::restart::{self, Restarts};
use crate::restoring;
use crate::sink::Sinks;
use crate::sink::csi::Csi;
use crate::sink::directory::Directory;
use crate::sink::secret::Secrets;
use crate::sink::touched::Touched;
use crate::state::cache_keys;
use crate::state::keyring::KeyRing;
use crate::state::ledger::Ledger;
use crate::state::object::Writer;
use crate::state::secret::StateSecret;
use crate::state::{State, StateDir, identity};
use crate::volumes::{Handover, Volumes};

/// What is kept from before this replica leads: what pods may mount, and the cache.
type Kept = (Option<Arc<Csi>>, Arc<Cache>);

/// Runs until `stop` is cancelled, or until it makes no sense any more.
pub async fn run(
    arguments: RunArguments,
    clock: Arc<dyn Clock>,
    registry: Registry,
    stop: CancellationToken,
) -> Result<(), AgentError> {
    let metrics = Metrics::register(&registry, clock.clone()).map_err(|e| AgentError::Metrics(e.to_string()))?;
    let probe = match arguments.metrics_listen {
        None => None,
        Some(address) => Some(probe::bind(address).await.map_err(|e| AgentError::Metrics(format!("{address}: {e}")))?),
    };
    let (standing, stands) = watch::channel(Standing::Unknown("it has just begun".to_owned()));
    let (handover, handed) = watch::channel(Handover::Done);
    let probe_stop = CancellationToken::new();
    let shown = Shown { metrics: metrics.clone(), standing: stands, handover: handed, clock: clock.clone() };
    let serving = probe.map(|listener| tokio::spawn(probe::serve(listener, registry, shown, probe_stop.clone())));
    let lease_term = arguments.lease_term;
    let (renewal_jitter, leadership) = (rand::rng().random(), Leadership::always());
    let (traces, exporting) = tracing(&arguments, &metrics, &probe_stop)?;
    let surroundings = Surroundings { clock, metrics, stop, renewal_jitter, lease_term, leadership, traces };
    let ended = match arguments.state_dir.clone() {
        Some(dir) => on_a_host(&dir, arguments, surroundings, &standing).await,
        // Boxed: it is large, and on the stack of everything that awaits it.
        None => Box::pin(in_kubernetes(arguments, surroundings, &standing, handover)).await,
    };
    probe_stop.cancel();
    for task in serving.into_iter().chain(exporting) {
        let _ = task.await;
    }
    ended
}

/// Where spans go, if anywhere, and what sends them.
fn tracing(
    arguments: &RunArguments,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> Result<(Traces, Option<JoinHandle<()>>), AgentError> {
    let Some(endpoint) = arguments.otlp_endpoint.clone() else { return Ok((Traces::default(), None)) };
    let instance = arguments.cluster.pod_name.clone().unwrap_or_else(|| arguments.cluster_name.clone());
    let settings = traces::Settings { endpoint, ca_file: arguments.otlp_ca_file.clone(), service: "lockstep-agent", instance };
    let (traces, exporter) = Traces::to(settings, metrics.spans_dropped.clone(), rand::rng().random())?;
    Ok((traces, Some(tokio::spawn(exporter.run(stop.clone())))))
}

/// With a directory for its state; whoever starts two of them gives each its own.
async fn on_a_host(
    dir: &std::path::Path,
    arguments: RunArguments,
    surroundings: Surroundings,
    standing: &watch::Sender<Standing>,
) -> Result<(), AgentError> {
    let dir = StateDir::ensure(dir)?;
    let _lock = dir.lock()?;
    let sinks = Sinks { directory: directory(&arguments)?, secrets: None, csi: None, touched: Arc::default() };
    leads(&surroundings, standing);
    lead(arguments, surroundings, State::Directory(dir), sinks, None, None).await
}

/// With a Secret for its state, and only while it holds the cluster's Lease.
async fn in_kubernetes(
    arguments: RunArguments,
    surroundings: Surroundings,
    standing: &watch::Sender<Standing>,
    handover: watch::Sender<Handover>,
) -> Result<(), AgentError> {
    let kubernetes = Kubernetes::connect(&arguments.cluster).await.map_err(AgentError::Kubernetes)?;
    // Who stands by serves too, so that node agents need not look for the one that leads.
    let Surroundings { clock, metrics, .. } = &surroundings;
    let cache = Arc::new(Cache::new(clock.clone(), &arguments.cache, metrics.volumes.cache_failures.clone()));
    let volumes = Volumes::start(&arguments, &kubernetes, &surroundings, standing.subscribe(), cache.clone(), handover).await?;
    let csi = volumes.as_ref().map(|volumes| volumes.csi.clone());
    let ended = Box::pin(in_its_turn(arguments, surroundings, &kubernetes, (csi, cache), standing)).await;
    if let Some(volumes) = volumes {
        volumes.end().await;
    }
    ended
}

/// Stands by until it leads, and leads until it ends or the Lease is lost.
async fn in_its_turn(
    arguments: RunArguments,
    surroundings: Surroundings,
    kubernetes: &Kubernetes,
    kept: Kept,
    standing: &watch::Sender<Standing>,
) -> Result<(), AgentError> {
    let cluster = &arguments.cluster;
    let acquired = lease::acquire(kubernetes, &cluster.lease, cluster.lease_duration(), &surroundings, standing).await;
    let Some(mut lease) = acquired else { return Ok(()) };
    let surroundings = Surroundings { lease_term: lease.term(), leadership: lease.leadership(), ..surroundings };
    let metrics = surroundings.metrics.clone();
    let us = lease.us().to_owned();
    // A lease that is lost ends everything in the middle, and nothing more is written.
    let ended = tokio::select! {
        ended = with_lease(arguments, surroundings, kubernetes, us, kept, standing) => ended,
        why = lease.keep(&metrics) => Err(AgentError::LeaseLost(why)),
    };
    metrics.leader.set(0);
    lease.release().await;
    ended
}

/// Leads, with everything written down in the end.
async fn with_lease(
    arguments: RunArguments,
    surroundings: Surroundings,
    kubernetes: &Kubernetes,
    us: String,
    (csi, cache): Kept,
    standing: &watch::Sender<Standing>,
) -> Result<(), AgentError> {
    leads(&surroundings, standing);
    let writer = Writer { us, leadership: surroundings.leadership.clone() };
    let touched = Arc::new(Touched::default());
    let KubernetesArguments { secret_access, keep_older_seconds, .. } = arguments.cluster;
    let keep_older = Duration::from_secs(keep_older_seconds.into());
    let secrets = Secrets::new(kubernetes, secret_access, keep_older, &surroundings, touched.clone());
    let sinks = Sinks { directory: directory(&arguments)?, secrets: Some(secrets), csi, touched };
    let restarts = restarts(kubernetes, &arguments, &surroundings);
    let state = tokio::select! {
        state = StateSecret::open(kubernetes, &arguments.cluster.state_secret, writer) => Arc::new(state?),
        () = surroundings.stop.cancelled() => return Ok(()),
    };
    let (behind, ended) = (surroundings.clone(), CancellationToken::new());
    let restarting = restarts.clone().run(ended.clone());
    let leading = async {
        let _ended = ended.clone().drop_guard();
        lead(arguments, surroundings, State::Secret(state.clone()), sinks, Some(restarts), Some(cache)).await
    };
    tokio::join!(leading, state.held.write_behind(&behind, &ended), restarting).0
}

fn restarts(kubernetes: &Kubernetes, arguments: &RunArguments, surroundings: &Surroundings) -> Restarts {
    let settings = restart::Settings { budget: arguments.cluster.restart_budget, ..restart::Settings::default() };
    let Surroundings { clock, metrics, leadership, .. } = surroundings.clone();
    Restarts::new(kubernetes.client.clone(), settings, clock, Arc::new(move || leadership.may_write()), metrics)
}

fn leads(surroundings: &Surroundings, standing: &watch::Sender<Standing>) {
    standing.send_replace(Standing::Leader);
    surroundings.metrics.leader.set(1);
}

/// Joins if needed, and keeps the link.
async fn lead(
    arguments: RunArguments,
    surroundings: Surroundings,
    state: State,
    sinks: Sinks,
    restarts: Option<Restarts>,
    cache: Option<Arc<Cache>>,
) -> Result<(), AgentError> {
    let holdings = Holdings::new(Ledger::open(&state).await?, KeyRing::open(&state).await?, sinks, restarts).with_cache(cache);
    let joined = match identity::load(&state).await? {
        Some(identity) => Some(identity),
        None => joining::join(&state, &arguments, &surroundings.stop).await?,
    };
    let Some(identity) = joined else { return Ok(()) };
    if let Some(dir) = arguments.cache.dir.clone() {
        let keys = cache_keys::open(&state, arguments.cache.key_file.as_deref()).await;
        holdings.open_cache(dir, identity.cluster, keys).await;
    }
    let agent = Agent::new(arguments, state, surroundings, identity, holdings);
    let ended = tokio::select! {
        ended = Box::pin(link::run(&agent)) => ended,
        never = Box::pin(restoring::run(&agent)) => match never {},
    };
    if let Err(AgentError::Revoked(_)) = &ended {
        agent.holdings().purge_cached().await;
    }
    ended
}

fn directory(arguments: &RunArguments) -> Result<Option<Arc<Directory>>, AgentError> {
    Ok(arguments.directory_root.as_deref().map(Directory::open).transpose()?.map(Arc::new))
}
