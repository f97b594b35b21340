//! A registry on a database of its own, and short ways to change it as the server does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use lockstep_core::binding::{
    Binding, BindingSpec, DeletionPolicy, Delivered, Drawn, Item, SecretPattern, SecretRef, SecretTarget, Target,
};
use lockstep_core::cluster::ClusterState;
use lockstep_core::delivery::{DeliveryStatus, Outcome};
use lockstep_core::digest::{Digest, DigestKeyId};
use lockstep_core::engine::Engine;
use lockstep_core::grant::{GrantSpec, GrantedPaths};
use lockstep_core::id::{BindingId, ClusterId, InstanceId, SessionId};
use lockstep_core::label::Labels;
use lockstep_core::revision::{Epoch, Revision, Seq};
use lockstep_core::source::{ReadAs, SourceSpec};
use lockstep_core::version::{Change, Incarnation, Known, Mark, SecretState, Version, VersionId, VersionNumber};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::delivery::{Filter, Listed, Report};
use lockstep_store::meta::Written;
use lockstep_store::page::{PAGE_MAX, Page};
use lockstep_store::session::Session;
use lockstep_store::{
    PgConnection, PgPool, binding, cluster, delivery, grant, placement, pool, project, secret, session, source,
};
use lockstep_testbed::Postgres;
use sqlx::Postgres as Driver;
use sqlx::pool::PoolConnection;
use uuid::Uuid;

/// How often a watcher looks.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);

/// How long to wait for something that should happen at once, on a machine that does other things too.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// An empty registry with source `corp` and project `payments`.
pub(crate) struct Registry {
    pub(crate) pool: PgPool,
    pub(crate) url: String,
}

impl Registry {
    pub(crate) async fn new() -> Result<Self> {
        let database = Postgres::shared().await?.create_database().await?;
        pool::migrate(database.url()).await?;
        let registry = Self { pool: pool::connect(database.url(), 20).await?, url: database.url().to_owned() };
        registry
            .change(async |c, seq| {
                source::put(c, &written("corp", ""), &source_spec()?, seq).await?;
                Ok(project::put(c, &written("payments", ""), None, seq).await?)
            })
            .await?;
        Ok(registry)
    }

    pub(crate) async fn connection(&self) -> Result<PoolConnection<Driver>> {
        Ok(self.pool.acquire().await?)
    }

    /// One change, committed with its entry.
    pub(crate) async fn change<T>(&self, change: impl AsyncFnOnce(&mut PgConnection, Seq) -> Result<T>) -> Result<T> {
        let mut writing = Writing::begin(&self.pool).await?;
        let seq = writing.seq;
        let answer = change(writing.connection(), seq).await?;
        writing.commit(&entry("test")).await?;
        Ok(answer)
    }

    /// Raw SQL, for what no function of the store does: tampering, or the passing of time.
    pub(crate) async fn sql(&self, sql: &str) -> Result<u64> {
        Ok(sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&self.pool).await?.rows_affected())
    }

    /// `Ok` if some connection waits for another one's lock.
    pub(crate) async fn somebody_waits(&self) -> Result<()> {
        let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&self.pool).await?;
        anyhow::ensure!(waiting > 0, "nobody waits");
        Ok(())
    }

    /// Registers a cluster, or changes its labels.
    pub(crate) async fn cluster(&self, name: &str, labels: &str) -> Result<ClusterId> {
        self.change(async |c, seq| {
            cluster::put(c, &written(name, labels), None, seq).await?;
            let id = cluster::get(c, name).await?.id.into();
            placement::replan_cluster(c, id, seq).await?;
            Ok(id)
        })
        .await
    }

    pub(crate) async fn set_state(&self, cluster: ClusterId, state: ClusterState) -> Result<()> {
        self.change(async |c, seq| {
            cluster::set_state(c, cluster, state, seq).await?;
            placement::replan_cluster(c, cluster, seq).await?;
            Ok(())
        })
        .await
    }

    /// Lets the project deliver what `glob` matches to what `clusters` selects.
    pub(crate) async fn grant(&self, name: &str, glob: &str, clusters: &str) -> Result<()> {
        self.grant_in(name, glob, clusters, &["payments-*"]).await
    }

    /// The same, in namespaces that match one of these.
    pub(crate) async fn grant_in(&self, name: &str, glob: &str, clusters: &str, namespaces: &[&str]) -> Result<()> {
        let spec = grant_spec(glob, clusters, namespaces)?;
        self.change(async |c, seq| {
            let project = project::id(c, &"payments".parse()?).await?;
            grant::put(c, &written(name, ""), project, &spec, seq).await?;
            placement::replan_all(c, Some(project), seq).await?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn revoke_grant(&self, name: &str) -> Result<()> {
        self.change(async |c, seq| {
            let project = project::id(c, &"payments".parse()?).await?;
            grant::delete(c, name).await?;
            placement::replan_all(c, Some(project), seq).await?;
            Ok(())
        })
        .await
    }

    /// Registers a binding, or respecifies it.
    pub(crate) async fn bind(&self, name: &str, spec: BindingSpec) -> Result<Binding> {
        self.change(async |c, seq| {
            let binding = if let Ok(registered) = binding::get(c, name).await {
                let mut binding = registered.spec.binding;
                binding.respecify(spec, seq);
                binding::update(c, &written(name, ""), &binding, seq).await?;
                binding
            } else {
                let project = project::id(c, &"payments".parse()?).await?;
                binding::insert(c, &written(name, ""), project, &spec, seq).await?
            };
            placement::replan_binding(c, binding.id, Ok(&binding), seq).await?;
            Ok(binding)
        })
        .await
    }

    pub(crate) async fn unbind(&self, name: &str) -> Result<()> {
        self.change(async |c, seq| {
            let binding = binding::get(c, name).await?.spec.binding;
            let policy = binding::delete(c, &binding, seq).await?;
            placement::replan_binding(c, binding.id, Err(policy), seq).await?;
            Ok(delivery::bury_unplaced(c).await?)
        })
        .await
    }

    /// Records that a secret came to this state, with version `number` as its newest if one is given.
    pub(crate) async fn observe(&self, path: &str, state: SecretState, number: Option<u64>) -> Result<Known> {
        self.change(async |c, seq| {
            let id = secret::ensure(c, &secret_ref(path)?).await?;
            let (secrets, _) = secret::list(c, None, &Page { limit: PAGE_MAX, ..Page::default() }).await?;
            let mut known = secrets.iter().find(|s| s.record.id == id).context("the secret")?.record.known;
            known.apply(&Change { state, latest: number.map(|n| version(0, n)).transpose()? }, seq);
            secret::write(c, &[(id, known)], seq, None).await?;
            Ok(known)
        })
        .await
    }

    /// Opens a session for a cluster's present installation.
    pub(crate) async fn connect(&self, cluster: ClusterId) -> Result<SessionId> {
        let session = session_of(cluster, instance(1), 1);
        let mut c = self.connection().await?;
        cluster::set_instance(&mut c, cluster, session.instance).await?;
        anyhow::ensure!(session::open(&mut c, &session).await?, "the session was not accepted");
        Ok(session.id)
    }

    pub(crate) async fn report(&self, reports: &[Report]) -> Result<u64> {
        Ok(delivery::write(&mut *self.connection().await?, reports).await?.placements)
    }

    /// What the delivery is listed as.
    pub(crate) async fn delivery(&self, cluster: &str, binding: &str) -> Result<Listed> {
        let filter = Filter { cluster: Some(cluster), binding: Some(binding), ..Filter::default() };
        let (mut listed, _) = delivery::list(&mut *self.connection().await?, filter, &Page::default()).await?;
        listed.pop().with_context(|| format!("no delivery of {binding} in {cluster}"))
    }

    pub(crate) async fn status(&self, cluster: &str, binding: &str) -> Result<(DeliveryStatus, Option<String>)> {
        let Listed { status, cause, .. } = self.delivery(cluster, binding).await?;
        Ok((status, cause))
    }

    /// `cluster binding answer` of every placement, in order of name.
    pub(crate) async fn placements(&self) -> Result<Vec<String>> {
        let (listed, _) = placement::list(&mut *self.connection().await?, None, None, &Page::default()).await?;
        Ok(listed.into_iter().map(|l| format!("{} {} {}", l.cluster, l.binding, l.answer)).collect())
    }
}

pub(crate) fn entry(kind: &'static str) -> Entry {
    Entry { actor: "test".into(), kind, subject: "test/x".into(), detail: serde_json::json!({ "b": 1, "a": "ü\u{1f512}" }) }
}

/// `key=value` pairs, separated by spaces.
pub(crate) fn labels(text: &str) -> Result<Labels> {
    let pairs = text.split_whitespace().map(|kv| kv.split_once('=').context("key=value"));
    let map: BTreeMap<String, String> = pairs.map(|kv| kv.map(|(k, v)| (k.into(), v.into()))).collect::<Result<_>>()?;
    Ok(map.try_into()?)
}

pub(crate) fn written(name: &str, text: &str) -> Written {
    Written { name: name.into(), labels: labels(text).expect("labels of a test"), annotations: BTreeMap::new() }
}

pub(crate) fn source_spec() -> Result<SourceSpec> {
    let addresses = vec!["https://vault.example:8200".to_owned()];
    Ok(SourceSpec {
        addresses,
        namespace: None,
        ca: None,
        credentials: "corp".parse()?,
        rotation_credentials: None,
        read_as: ReadAs::Server,
    })
}

/// A grant of what `glob` matches, to what `clusters` selects.
pub(crate) fn grant_spec(glob: &str, clusters: &str, namespaces: &[&str]) -> Result<GrantSpec> {
    Ok(GrantSpec {
        paths: vec![GrantedPaths { source: "corp".parse()?, mount: "kv".parse()?, globs: vec![glob.parse()?] }],
        clusters: clusters.parse()?,
        namespaces: namespaces.iter().map(|n| n.parse()).collect::<Result<_, _>>()?,
    })
}

pub(crate) fn secret_ref(path: &str) -> Result<SecretRef> {
    Ok(SecretRef { source: "corp".parse()?, engine: Engine::KvV2, mount: "kv".parse()?, path: path.parse()? })
}

/// An item of that path, which may differ by cluster.
pub(crate) fn item(path: &str) -> Result<Item> {
    let secret = match path.parse() {
        Ok(path) => Drawn::ByCluster(SecretPattern { source: "corp".parse()?, engine: Engine::KvV2, mount: "kv".parse()?, path }),
        Err(_) => secret_ref(path)?.into(),
    };
    Ok(Item { secret, keys: BTreeMap::new(), pin: None, base64: BTreeSet::new() })
}

/// A binding of these paths to the clusters that `clusters` selects; both policies `Retain`.
pub(crate) fn spec(paths: &[&str], clusters: &str) -> Result<BindingSpec> {
    Ok(BindingSpec {
        clusters: clusters.parse()?,
        delivered: Delivered::new(
            paths.iter().map(|p| item(p)).collect::<Result<_>>()?,
            Target::Secret(SecretTarget::new("db".parse()?, vec!["payments-prod".parse()?])),
        ),
        deletion_policy: DeletionPolicy::Retain,
    })
}

pub(crate) fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs()) + Duration::from_micros(123_456)
}

pub(crate) fn version(incarnation: i64, number: u64) -> Result<Version> {
    let number = VersionNumber::new(number).context("versions begin at 1")?;
    let created = time(1_000 + i64::try_from(number.get())?);
    Ok(Version { id: VersionId { incarnation: Incarnation(time(incarnation)), number }, created, mark: Mark::None })
}

pub(crate) fn instance(number: u128) -> InstanceId {
    Uuid::from_u128(number).into()
}

pub(crate) fn session_of(cluster: ClusterId, instance: InstanceId, lease_term: u64) -> Session {
    Session {
        id: Uuid::new_v4().into(),
        cluster,
        instance,
        replica: "replica-a".into(),
        lease_term,
        agent_version: "0.1.0".into(),
        certificate_not_after: time(2_000_000_000),
    }
}

pub(crate) fn revision(seq: u64) -> Revision {
    Revision { epoch: Epoch::new(1), seq: Seq::new(seq) }
}

pub(crate) fn digest(byte: u8) -> Digest {
    Digest { key: DigestKeyId::new("root-1".into()), hmac: [byte; 32] }
}

/// What a session says became of one attempt. `Applied` comes with a digest and 1 of 1 targets.
pub(crate) fn report(session: SessionId, cluster: ClusterId, binding: BindingId, revision: Revision, outcome: Outcome) -> Report {
    let applied = outcome == Outcome::Applied;
    Report {
        session,
        cluster,
        binding,
        revision,
        outcome,
        cause: (!applied && outcome != Outcome::Sent).then(|| format!("why {}", outcome.as_str())),
        digest: applied.then(|| digest(1)),
        targets: if applied { (1, 1) } else { (0, 0) },
        versions: Vec::new(),
        observed: None,
    }
}
