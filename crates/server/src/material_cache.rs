//! One data read for each version and replica, shared by all clusters: single flight, then a short-lived cache.
//!
//! What was wanted of a secret's last version is likely wanted of its next: the replica that watches begins to read it while it records it
//! ([ADR 0022](../../../docs/adr/0022-the-next-version-is-read-ahead.md)).

mod source_read;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use lockstep_core::binding::SecretRef;
use lockstep_core::choice::Choice;
use lockstep_core::id::{ClusterId, SecretId};
use lockstep_core::material::Material;
use lockstep_core::name::SourceName;
use lockstep_core::source::{ClusterLogin, ReadAs, SourceSpec};
use lockstep_core::version::{Incarnation, Mark, Version, VersionNumber};
use lockstep_store::StoreError;
use lockstep_vault::VaultError;
use moka::Expiry;
use moka::future::Cache;
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::cluster_readers::{Reader, ReaderError, told};

/// The most plaintext kept, in bytes.
const BYTES_MAX: u64 = 64 << 20;
/// How long a version's material is kept: long enough for all clusters of a change, short enough to matter little.
const LIFE: Duration = Duration::from_secs(30);
/// How long a failure is: a thousand clusters wanting a sealed Vault ask it once.
const FAILURE_LIFE: Duration = Duration::from_secs(1);

/// The keys of one version.
pub type Keys = Arc<BTreeMap<String, Material>>;

/// Why a version's material is not to be had.
#[derive(Debug, Clone, Error)]
pub enum ReadError {
    /// The source did not give it.
    #[error("secret {path}: {error}")]
    Vault {
        /// The secret's path.
        path: String,
        /// What the source said.
        error: VaultError,
    },
    /// It is read as the cluster, and that could not be.
    #[error("secret {path}: {error}")]
    AsCluster {
        /// The secret's path.
        path: String,
        /// Why not.
        error: ReaderError,
    },
    /// The version read was made at another time than the one observed.
    #[error("secret {path} was replaced at its source while it was read; it is looked at again")]
    Replaced {
        /// The secret's path.
        path: String,
    },
    /// The registry did not answer.
    #[error("the registry: {0}")]
    Store(Arc<StoreError>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    /// The cluster that reads, where it is not the server: what one may read is not for another.
    reader: Option<ClusterId>,
    secret: SecretId,
    incarnation: Incarnation,
    number: VersionNumber,
    /// Of the newest one: two that we count may bear one number, where the secret was drawn from something else in between.
    newest: Option<(DateTime<Utc>, Mark)>,
}

/// Data reads of one source at once. As many connections to it are kept: more would be opened and closed for each read.
const READS_MAX: usize = lockstep_vault::IDLE_CONNECTIONS_MAX;
/// The most secrets of which it is remembered that their newest version was wanted.
const WANTED_MAX: u64 = 100_000;

/// The most sources of which it is known who reads; one that is forgotten may be read twice as much at once.
const SOURCES_MAX: u64 = 1_000;

impl Key {
    fn of(reader: Option<ClusterId>, secret: SecretId, version: Version) -> Self {
        let newest = Some((version.created, version.mark));
        Self { reader, secret, incarnation: version.id.incarnation, number: version.id.number, newest }
    }
}

/// Reads material through the cache.
#[derive(Clone)]
pub struct MaterialCache {
    cache: Cache<Key, Result<Keys, ReadError>>,
    /// Secrets whose newest version was delivered from here, and not read ahead since.
    wanted: Cache<SecretId, ()>,
    /// Reads ahead under way; how many more there may be.
    ahead: Arc<Semaphore>,
    /// By source: whose turn it is to read.
    turns: Cache<SourceName, Arc<Semaphore>>,
}

struct Lives;

impl Expiry<Key, Result<Keys, ReadError>> for Lives {
    fn expire_after_create(&self, _: &Key, value: &Result<Keys, ReadError>, _: Instant) -> Option<Duration> {
        Some(if value.is_ok() { LIFE } else { FAILURE_LIFE })
    }
}

impl Default for MaterialCache {
    fn default() -> Self {
        let weigh = |_: &Key, value: &Result<Keys, ReadError>| {
            let bytes = value.as_ref().map_or(64, |keys| keys.iter().map(|(k, v)| k.len() + v.len()).sum());
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self {
            cache: Cache::builder().max_capacity(BYTES_MAX).weigher(weigh).expire_after(Lives).build(),
            wanted: Cache::new(WANTED_MAX),
            ahead: Arc::new(Semaphore::new(READS_MAX)),
            turns: Cache::new(SOURCES_MAX),
        }
    }
}

impl MaterialCache {
    /// The keys of the chosen version, for a delivery; `None` where the choice is that there is nothing. The `reader` reads where the source
    /// asks for that.
    pub async fn read(
        &self,
        app: &App,
        reader: Reader<'_>,
        secret: &SecretRef,
        id: SecretId,
        choice: &Choice,
    ) -> Result<Option<Keys>, ReadError> {
        let spec = spec(app, secret).await?;
        let reader = (!spec.read_as.is_server()).then_some(reader);
        if reader.is_none() && matches!(choice, Choice::Newest(_)) {
            self.wanted.insert(id, ()).await;
        }
        self.read_once(app, reader, &spec, secret, id, choice).await
    }

    /// Begins to read a version that is being recorded, if the one before was delivered from here. If nobody comes for it, because the cluster is gone or dials another replica now, then that was the last of this secret.
    pub async fn read_ahead(&self, app: &App, secret: SecretRef, id: SecretId, version: Version) {
        if self.wanted.remove(&id).await.is_none() {
            return;
        }
        let Ok(ahead) = self.ahead.clone().try_acquire_owned() else {
            app.metrics.limit_hits.with_label_values(&["read_ahead"]).inc();
            return;
        };
        let (this, app) = (self.clone(), app.clone());
        tokio::spawn(async move {
            let read = async {
                let spec = spec(&app, &secret).await?;
                this.read_once(&app, None, &spec, &secret, id, &Choice::Newest(version)).await
            };
            if read.await.is_err() {
                // Whoever wants it tries again at once, and tells.
                this.cache.invalidate(&Key::of(None, id, version)).await;
            }
            drop(ahead);
        });
    }

    async fn turns(&self, source: &SourceName) -> Arc<Semaphore> {
        self.turns.get_with_by_ref(source, async { Arc::new(Semaphore::new(READS_MAX)) }).await
    }

    async fn read_once(
        &self,
        app: &App,
        reader: Option<Reader<'_>>,
        spec: &SourceSpec,
        secret: &SecretRef,
        id: SecretId,
        choice: &Choice,
    ) -> Result<Option<Keys>, ReadError> {
        let by = reader.map(|reader| reader.cluster);
        let key = match choice {
            Choice::Newest(version) => Key::of(by, id, *version),
            Choice::Pinned(incarnation, number) => {
                Key { reader: by, secret: id, incarnation: *incarnation, number: *number, newest: None }
            }
            Choice::Gone | Choice::Nothing => return Ok(None),
        };
        let fresh = std::sync::atomic::AtomicBool::new(false);
        let load = async {
            fresh.store(true, std::sync::atomic::Ordering::Relaxed);
            let turns = self.turns(&secret.source).await;
            let _turn = turns.acquire().await;
            load(app, reader, spec, secret, id, choice).await
        };
        let result = self.cache.get_with(key, load).await;
        let outcome = match (&result, fresh.into_inner()) {
            (Ok(_), true) => "read",
            (Ok(_), false) => "saved",
            (Err(_), true) => "failed",
            (Err(_), false) => "failure_shared",
        };
        app.metrics.reads.with_label_values(&[outcome]).inc();
        result.map(Some)
    }
}

async fn spec(app: &App, secret: &SecretRef) -> Result<Arc<SourceSpec>, ReadError> {
    app.sources.spec(&app.pool, &secret.source).await.map_err(ReadError::Store)
}

async fn load(
    app: &App,
    reader: Option<Reader<'_>>,
    spec: &SourceSpec,
    secret: &SecretRef,
    id: SecretId,
    choice: &Choice,
) -> Result<Keys, ReadError> {
    let read = match (reader, &spec.read_as) {
        (Some(reader), ReadAs::Cluster(login)) => as_cluster(app, reader, spec, login, secret, id, choice).await,
        (None, _) | (_, ReadAs::Server) => as_server(app, spec, secret, id, choice).await,
    }?;
    read.ok_or_else(|| ReadError::Replaced { path: path(secret) })
}

async fn as_server(
    app: &App,
    spec: &SourceSpec,
    secret: &SecretRef,
    id: SecretId,
    choice: &Choice,
) -> Result<Option<Keys>, ReadError> {
    let vault = |error| ReadError::Vault { path: path(secret), error };
    let client = app.sources.client(&secret.source, spec).await.map_err(vault)?;
    source_read::read(&client, &app.fingerprints, secret, id, choice).await.map_err(vault)
}

async fn as_cluster(
    app: &App,
    reader: Reader<'_>,
    spec: &SourceSpec,
    login: &ClusterLogin,
    secret: &SecretRef,
    id: SecretId,
    choice: &Choice,
) -> Result<Option<Keys>, ReadError> {
    let failed = |error| ReadError::AsCluster { path: path(secret), error };
    let client = app.readers.client(&app.sources, reader, &secret.source, spec, login).await.map_err(failed)?;
    let read = source_read::read(&client, &app.fingerprints, secret, id, choice).await;
    read.map_err(|error| failed(told(reader, login, &source_read::path(secret, choice), error)))
}

fn path(secret: &SecretRef) -> String {
    format!("{}/{}", secret.mount, secret.path)
}
