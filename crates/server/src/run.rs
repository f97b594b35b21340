//! Putting one replica together, and taking it down in order.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lockstep_core::kv::KvMount;
use lockstep_store::pool;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::authority::Authority;
use crate::config::Config;
use crate::dispatch::{self, Dispatch, Wake};
use crate::gateway::{self, Gateway, Sessions};
use crate::history_mark::HistoryMark;
use crate::material_cache::MaterialCache;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::sources::{self, Sources};
use crate::tls::Tls;
use crate::watch::{self, Hints};
use crate::{clock, digest_root, http_listener, join, reports, rest, schedule};

/// How long streams may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// Runs a replica until SIGTERM or SIGINT.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let config = Arc::new(config);
    let url = config.database_url()?;
    pool::migrate(&url).await.context("bringing the schema up to date")?;
    let pool = pool::connect(&url, config.database.connections).await.context("connecting to Postgres")?;
    let vault_metrics = lockstep_vault::Metrics::new();
    let home = sources::home(&config, vault_metrics.clone()).context("the home Vault's settings")?;
    let authority = Arc::new(Authority::connect(&config, home.clone()).await.context("the home Vault's PKI")?);
    let mount: KvMount = config.home_vault.kv_mount.parse().context("homeVault.kvMount")?;
    let digests = Arc::new(digest_root::load(&home, &mount).await?);
    let app = App {
        sources: Arc::new(Sources::new(config.clone(), vault_metrics.clone())),
        metrics: Arc::new(Metrics::new(&vault_metrics)?),
        readiness: Arc::new(Readiness::new(pool.clone())),
        authority: authority.clone(),
        pool: pool.clone(),
        config: config.clone(),
    };
    // Before anybody is served: a registry that is older than its mark must not send a byte.
    let history = Arc::new(HistoryMark::new(pool.clone(), home, mount, config.replica.clone())?);
    history.check().await.context("checking the history mark")?;
    let tls = Arc::new(Tls::start(authority, config.advertise.names.clone(), clock::now()).await?);

    let stop = CancellationToken::new();
    let (reports, writer) = reports::channel(pool);
    let (wake, hints, sessions) = (Wake::default(), Hints::default(), Arc::new(Sessions::default()));
    let gateway = Gateway {
        app: app.clone(),
        sessions: sessions.clone(),
        reports,
        materials: MaterialCache::default(),
        digests: digests.clone(),
        stop: stop.clone(),
    };
    let mut parts = Parts { set: JoinSet::new(), stop: stop.clone() };
    let listen = &config.listen;
    parts.serve("agents", gateway::serve(gateway, bind(listen.agents).await?, tls.clone()));
    parts.serve("join", join::serve(app.clone(), digests, bind(listen.join).await?, tls.clone(), stop.clone()));
    let router = rest::router(app.clone());
    parts.serve("REST", http_listener::serve_tls(app.clone(), router, bind(listen.rest).await?, tls.clone(), stop.clone()));
    let router = rest::observability(app.clone());
    parts.serve("metrics", http_listener::serve_plain(router, bind(listen.metrics).await?, stop.clone()));
    parts.run(writer.run(stop.clone()));
    parts.run(dispatch::listen(url, wake.clone(), hints.clone(), stop.clone()));
    parts.run(Dispatch { app: app.clone(), sessions: sessions.clone(), wake, history: history.clone() }.run(stop.clone()));
    parts.run(watch::supervise(app.clone(), hints, stop.clone()));
    parts.run(gateway::keep_sessions(app.clone(), sessions, stop.clone()));
    let mut scheduler = schedule::start(app, history, tls).await?;
    tracing::info!(replica = %config.replica, rest = %listen.rest, agents = %listen.agents, join = %listen.join, "serving");

    let outcome = parts.until_stopped().await;
    let _ = scheduler.shutdown().await;
    outcome
}

async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))
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

    async fn until_stopped(mut self) -> anyhow::Result<()> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let outcome = tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
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
