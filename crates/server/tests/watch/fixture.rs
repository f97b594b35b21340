//! A registry with one source, and a watcher of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use lockstep_core::binding::{BindingSpec, DeletionPolicy, Delivered, Item, SecretRef, Target};
use lockstep_core::digest::{DigestKeyId, RootKey};
use lockstep_core::engine::Engine;
use lockstep_core::fingerprint::FingerprintKey;
use lockstep_core::label::Labels;
use lockstep_core::selector::Selector;
use lockstep_core::source::{ReadAs, SourceSpec};
use lockstep_core::version::SecretState;
use lockstep_server::app::App;
use lockstep_server::authority::Authority;
use lockstep_server::config::Config;
use lockstep_server::material_cache::MaterialCache;
use lockstep_server::metrics::Metrics;
use lockstep_server::oidc::Issuers;
use lockstep_server::readiness::Readiness;
use lockstep_server::sources::{Sources, home};
use lockstep_server::watch::{Hints, Watcher};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::meta::Written;
use lockstep_store::secret::{self, Bound, SecretRecord};
use lockstep_store::{binding, pool, project, source};
use lockstep_telemetry::traces::Traces;
use lockstep_testbed::{Folder, OpenBao, Postgres, wait};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long to wait for something that should happen at once, on a machine that does other things too.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// How often a source that answers is looked at.
pub(crate) const INTERVAL: Duration = Duration::from_millis(200);

/// A registry whose source `corp` is at one address.
pub(crate) struct Watched {
    pub(crate) app: App,
    _folder: Folder,
}

/// Whether this version of it was seen.
pub(crate) fn is_at(secret: &SecretRecord, version: u64) -> bool {
    secret.known.state == SecretState::Live && secret.known.latest.is_some_and(|v| v.id.number.get() == version)
}

/// A watcher at work; dropping it stops it.
pub(crate) struct Watching {
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Watching {
    /// Ends it as `kill -9` would: it gives nothing up.
    pub(crate) fn kill(self) {
        self.task.abort();
    }

    /// Stops it and waits until it gave its lease up.
    pub(crate) async fn end(self) -> Result<()> {
        drop(self.stop);
        Ok(self.task.await?)
    }
}

impl Watched {
    /// `corp` is at `address`, and read with `token`; the watcher may ask as often as it wants.
    pub(crate) async fn at(address: &str, token: &str, lease: Duration) -> Result<Self> {
        Self::with_budget(address, token, lease, 1_000).await
    }

    /// As [`Watched::at`], with a budget of requests a second.
    pub(crate) async fn with_budget(address: &str, token: &str, lease: Duration, per_second: u32) -> Result<Self> {
        Self::paged(address, token, lease, per_second, 1_000).await
    }

    /// The same, with pages of a scan that have this many entries.
    pub(crate) async fn paged(address: &str, token: &str, lease: Duration, per_second: u32, page: usize) -> Result<Self> {
        let folder = Folder::new("watch")?;
        let bao = OpenBao::shared().await?;
        let pki = format!("pki-{}", uuid::Uuid::new_v4().simple());
        bao.enable_pki(&pki).await?;
        let file = |name: &str, token: &str| std::fs::write(folder.path().join(name), token).map(|()| folder.path().join(name));
        let database = Postgres::shared().await?.create_database().await?;
        pool::migrate(database.url()).await?;
        let config: Config = serde_json::from_value(json!({
            "replica": "replica-1",
            "database": {"urlFile": "unused"},
            "trustDomain": "lockstep.test",
            "listen": {"rest": "127.0.0.1:0", "agents": "127.0.0.1:0", "join": "127.0.0.1:0", "metrics": "127.0.0.1:0"},
            "advertise": {"names": ["localhost"], "agents": ["https://localhost:8444"], "join": ["https://localhost:8445"]},
            "homeVault": {"addresses": [bao.addr()], "credentials": "home", "pkiMount": pki},
            "credentials": [
                {"name": "home", "addresses": [bao.addr()], "tokenFile": file("home", bao.root_token())?},
                {"name": "corp", "addresses": [address], "tokenFile": file("corp", token)?},
            ],
            "watch": {"intervalMs": INTERVAL.as_millis(), "requestsPerSecond": per_second, "scanPage": page},
            "leaseMs": lease.as_millis(),
        }))?;
        let (config, vault_metrics) = (Arc::new(config), lockstep_vault::Metrics::new());
        let pool = pool::connect(database.url(), 4).await?;
        let app = App {
            authority: Arc::new(Authority::connect(&config, home(&config, vault_metrics.clone())?).await?),
            metrics: Arc::new(Metrics::new(&vault_metrics)?),
            sources: Arc::new(Sources::new(config.clone(), vault_metrics)),
            readers: Arc::default(),
            logs: Arc::default(),
            traces: Traces::default(),
            fingerprints: FingerprintKey::of(&RootKey::new(DigestKeyId::new("test".to_owned()), [7; 32])),
            materials: MaterialCache::default(),
            issuers: Arc::new(Issuers::new(&config.oidc)?),
            readiness: Arc::new(Readiness::new(pool.clone())),
            config,
            pool,
        };
        let spec = SourceSpec {
            addresses: vec![address.to_owned()],
            namespace: None,
            ca: None,
            credentials: "corp".parse()?,
            rotation_credentials: None,
            read_as: ReadAs::Server,
        };
        let mut writing = Writing::begin(&app.pool).await?;
        let seq = writing.seq;
        project::put(writing.connection(), &named("payments"), None, seq).await?;
        source::put(writing.connection(), &named("corp"), &spec, seq).await?;
        writing.commit(&entry()).await?;
        Ok(Self { app, _folder: folder })
    }

    /// Binds these paths of a mount.
    pub(crate) async fn bind(&self, mount: &str, paths: &[&str]) -> Result<()> {
        self.bind_of(&paths.iter().map(|path| (mount, *path)).collect::<Vec<_>>()).await
    }

    /// Binds these paths, each with its mount.
    pub(crate) async fn bind_of(&self, paths: &[(&str, &str)]) -> Result<()> {
        self.bind_drawn(&paths.iter().map(|(mount, path)| (Engine::KvV2, *mount, *path)).collect::<Vec<_>>()).await
    }

    /// Binds these paths, each with its engine and mount.
    pub(crate) async fn bind_drawn(&self, paths: &[(Engine, &str, &str)]) -> Result<()> {
        let item = |(engine, mount, path): &(Engine, &str, &str)| {
            let secret = SecretRef { source: "corp".parse()?, engine: *engine, mount: mount.parse()?, path: path.parse()? };
            Ok(Item { secret: secret.into(), keys: BTreeMap::new(), pin: None, base64: BTreeSet::new() })
        };
        let spec = BindingSpec {
            clusters: Selector::default(),
            delivered: Delivered::new(paths.iter().map(item).collect::<Result<_>>()?, Target::Directory { name: "db".parse()? }),
            deletion_policy: DeletionPolicy::Retain,
        };
        let mut writing = Writing::begin(&self.app.pool).await?;
        let seq = writing.seq;
        let project = project::id(writing.connection(), &"payments".parse()?).await?;
        binding::insert(writing.connection(), &named("db"), project, &spec, seq).await?;
        writing.commit(&entry()).await?;
        Ok(())
    }

    /// Watches the source as a replica would that was just started.
    pub(crate) fn watch(&self) -> Result<Watching> {
        let stop = CancellationToken::new();
        let watcher = Watcher::new(self.app.clone(), "corp".parse()?, Hints::default().listen());
        Ok(Watching { task: tokio::spawn(watcher.run(stop.clone())), stop: stop.drop_guard() })
    }

    /// Waits until what is known of every bound secret is as it should be.
    pub(crate) async fn until_all(&self, what: &str, holds: impl Fn(&SecretRecord) -> bool) -> Result<()> {
        wait::until(what, LIMIT, async || {
            let secrets = self.secrets().await?;
            let shown = |s: &SecretRecord| format!("{} {:?} {:?}", s.path, s.known.latest.map(|v| v.id.number.get()), s.problem);
            ensure!(secrets.iter().all(&holds), "{:?}", secrets.iter().filter(|s| !holds(s)).map(shown).collect::<Vec<_>>());
            Ok(())
        })
        .await
    }

    /// What is known of the bound secrets, by path.
    pub(crate) async fn secrets(&self) -> Result<Vec<SecretRecord>> {
        let mut connection = pool::acquire(&self.app.pool).await?;
        let source = source::get(&mut connection, "corp").await?.id;
        Ok(secret::bound(&mut connection, source.into(), Bound::All).await?)
    }
}

fn named(name: &str) -> Written {
    Written { name: name.to_owned(), labels: Labels::default(), annotations: BTreeMap::new() }
}

fn entry() -> Entry {
    Entry { actor: "test".into(), kind: "Test", subject: "test/x".to_owned(), detail: json!({}) }
}
