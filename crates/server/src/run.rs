//! Putting one replica together, and taking it down in order.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lockstep_core::digest::RootKey;
use lockstep_core::fingerprint::FingerprintKey;
use lockstep_core::kv::KvMount;
use lockstep_store::PgPool;
use lockstep_store::pool::{self, Prompt};
use lockstep_telemetry::traces::{self, Exporter, Traces};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::authority::Authority;
use crate::config::Config;
use crate::dispatch::{self, Dispatch, Wake};
use crate::gateway::{self, Gateway, Sessions};
use crate::history_mark::HistoryMark;
use crate::logging::Logs;
use crate::material_cache::MaterialCache;
use crate::metrics::Metrics;
use crate::oidc::Issuers;
use crate::readiness::Readiness;
use crate::rotate::Rotator;
use crate::sources::{self, Sources};
use crate::starting::Starting;
use crate::tls::Tls;
use crate::watch::{self, Hints};
use crate::{clock, digest_root, history_walk, http_listener, join, propagation, reports, rest, schedule};

/// How long streams may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// Runs a replica until SIGTERM or SIGINT.
pub async fn run(config: Config, logs: Logs) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let prepared = tokio::select! {
        prepared = prepare(Arc::new(config), Arc::new(logs)) => prepared?,
        () = signals.asked_to_end() => return Ok(()),
    };
    serve(prepared, signals).await
}

/// What a replica needs before it can serve.
struct Prepared {
    app: App,
    /// For dispatch.
    finding: PgPool,
    /// For reports.
    reporting: PgPool,
    url: String,
    digests: Arc<RootKey>,
    history: Arc<HistoryMark>,
    tls: Arc<Tls>,
    exporter: Option<Exporter>,
}

/// Reaches Postgres and the home Vault, however long they are away.
async fn prepare(config: Arc<Config>, logs: Arc<Logs>) -> anyhow::Result<Prepared> {
    let starting = Starting::begin(config.listen.metrics).await?;
    let url = config.database_url()?;
    let connect = async || {
        pool::migrate(&url).await.context("bringing the schema up to date")?;
        let prompt = async |prompt| pool::connect_prompt(&url, prompt).await.context("connecting to Postgres");
        let pool = pool::connect(&url, config.database.connections - pool::PROMPT_CONNECTIONS)
            .await
            .context("connecting to Postgres")?;
        Ok((pool, prompt(Prompt::Dispatch).await?, prompt(Prompt::Reports).await?))
    };
    let (pool, finding, reporting) = starting.wait_for("Postgres", connect).await?;
    let vault_metrics = lockstep_vault::Metrics::new();
    let home = sources::home(&config, vault_metrics.clone()).context("the home Vault's settings")?;
    let connect = async || Authority::connect(&config, home.clone()).await.context("the home Vault's PKI");
    let authority = Arc::new(starting.wait_for("the home Vault", connect).await?);
    let mount: KvMount = config.home_vault.kv_mount.parse().context("homeVault.kvMount")?;
    let digests = Arc::new(starting.wait_for("the home Vault", async || digest_root::load(&home, &mount).await).await?);
    let metrics = Arc::new(Metrics::new(&vault_metrics)?);
    let (traces, exporter) = tracing(&config, &metrics)?;
    let app = App {
        traces,
        sources: Arc::new(Sources::new(config.clone(), vault_metrics.clone())),
        metrics,
        readiness: Arc::new(Readiness::new(pool.clone())),
        readers: Arc::default(),
        logs,
        fingerprints: FingerprintKey::of(&digests),
        materials: MaterialCache::default(),
        issuers: Arc::new(Issuers::new(&config.oidc)?),
        authority: authority.clone(),
        pool: pool.clone(),
        config: config.clone(),
    };
    // Before anybody is served: a registry that is older than its mark must not send a byte.
    let history = Arc::new(HistoryMark::new(pool.clone(), home, mount, config.replica.clone())?);
    let check = async || history.check().await.context("checking the history mark");
    starting.wait_for("the home Vault and Postgres", check).await?;
    let certify = async || Tls::start(authority.clone(), config.advertise.names.clone(), clock::now()).await;
    let tls = Arc::new(starting.wait_for("the home Vault", certify).await?);
    starting.end().await;
    Ok(Prepared { app, finding, reporting, url, digests, history, tls, exporter })
}

/// Where spans go, if anywhere.
fn tracing(config: &Config, metrics: &Metrics) -> anyhow::Result<(Traces, Option<Exporter>)> {
    let Some(endpoint) = config.tracing.otlp_endpoint.clone() else { return Ok((Traces::default(), None)) };
    let ca_file = config.tracing.ca_file.clone();
    let settings = traces::Settings { endpoint, ca_file, service: "lockstep-server", instance: config.replica.clone() };
    let dropped = metrics.limit_hits.with_label_values(&["spans"]);
    let (traces, exporter) = Traces::to(settings, dropped, rand::random()).context("tracing.otlpEndpoint")?;
    Ok((traces, Some(exporter)))
}

async fn serve(prepared: Prepared, signals: Signals) -> anyhow::Result<()> {
    let Prepared { app, finding, reporting, url, digests, history, tls, exporter } = prepared;
    let config = app.config.clone();
    let rotation_key = digests.for_rotations();
    let stop = CancellationToken::new();
    let (reports, writer) = reports::channel(reporting, app.metrics.clone());
    let (wake, hints, sessions) = (Wake::default(), Hints::default(), Arc::new(Sessions::default()));
    let gateway = Gateway { app: app.clone(), sessions: sessions.clone(), reports, digests: digests.clone(), stop: stop.clone() };
    let mut parts = Parts { set: JoinSet::new(), stop: stop.clone() };
    let listen = &config.listen;
    parts.serve("agents", gateway::serve(gateway, bind(listen.agents).await?, tls.clone()));
    parts.serve("join", join::serve(app.clone(), digests, bind(listen.join).await?, tls.clone(), stop.clone()));
    let router = rest::router(app.clone());
    parts.serve("REST", http_listener::serve_tls(app.clone(), router, bind(listen.rest).await?, tls.clone(), stop.clone()));
    let router = rest::observability(app.clone());
    parts.serve("metrics", http_listener::serve_plain(router, bind(listen.metrics).await?, stop.clone()));
    parts.run(writer.run(stop.clone()));
    if let Some(exporter) = exporter {
        parts.run(exporter.run(stop.clone()));
    }
    parts.run(dispatch::listen(url, wake.clone(), hints.clone(), app.sources.clone(), stop.clone()));
    let dispatch = Dispatch { app: app.clone(), finding, sessions: sessions.clone(), wake, history: history.clone() };
    parts.run(dispatch.run(stop.clone()));
    parts.run(propagation::run(app.clone(), stop.clone()));
    parts.run(history_walk::run(app.clone(), stop.clone()));
    parts.run(watch::supervise(app.clone(), hints, stop.clone()));
    parts.run(gateway::keep_sessions(app.clone(), sessions, stop.clone()));
    let leaving = app.clone();
    let rotator = Arc::new(Rotator::new(app.clone(), rotation_key));
    let mut scheduler = schedule::start(app, history, tls, rotator).await?;
    tracing::info!(replica = %config.replica, rest = %listen.rest, agents = %listen.agents, join = %listen.join, "serving");

    let outcome = parts.until_stopped(signals).await;
    let _ = scheduler.shutdown().await;
    schedule::forget(&leaving).await;
    outcome
}

async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))
}

/// What asks a replica to end. Heard from the beginning: process 1 of a container has no default for these signals.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked_to_end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The running parts. If one ends by itself, the replica ends: half a replica would look healthy and do nothing.
struct Parts {
    set: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
}

impl Parts {
    fn serve(&mut self, name: &'static str, part: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.set.spawn(async move { part.await.with_context(|| format!("the {name} listener")) });
    }

    fn run(&mut self, part: impl Future<Output = ()> + Send + 'static) {
        self.set.spawn(async move {
            part.await;
            Ok(())
        });
    }

    async fn until_stopped(mut self, mut signals: Signals) -> anyhow::Result<()> {
        let outcome = tokio::select! {
            () = signals.asked_to_end() => Ok(()),
            Some(ended) = self.set.join_next() => match ended {
                Ok(Ok(())) => Err(anyhow::anyhow!("a part of the server ended by itself")),
                Ok(Err(error)) => Err(error),
                Err(panic) => Err(panic).context("a part of the server panicked"),
            },
        };
        tracing::info!("stopping");
        self.stop.cancel();
        let drained = tokio::time::timeout(GRACE, async { while self.set.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!("some streams did not end in time and are cut");
        }
        outcome
    }
}
