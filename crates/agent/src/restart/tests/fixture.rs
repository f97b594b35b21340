//! A real cluster for all tests of this module, a namespace for each, and an agent's restarts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use kube::config::{KubeConfigOptions, Kubeconfig};
use lockstep_core::id::BindingId;
use lockstep_core::revision::{Epoch, Revision, Seq};
use lockstep_testbed::{Kubernetes, wait};
use prometheus::{Registry, TextEncoder};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clock::{Clock, SystemClock};
use crate::metrics::Metrics;
use crate::restart::{Changed, Due, Policy, Report, Restarts, Settings};

/// Ten times what anything here takes.
pub(super) const LIMIT: Duration = Duration::from_mins(2);

static CLUSTER: OnceCell<Kubernetes> = OnceCell::const_new();

pub(super) async fn cluster() -> Result<&'static Kubernetes> {
    let start = async || {
        let mut cluster = Kubernetes::start().await?;
        cluster.start_workloads().await?;
        anyhow::Ok(cluster)
    };
    CLUSTER.get_or_try_init(start).await
}

pub(super) fn settings() -> Settings {
    let (settle, poll) = (Duration::from_millis(300), Duration::from_millis(100));
    Settings { settle, poll, poll_slowly: Duration::from_millis(500), ..Settings::default() }
}

pub(super) fn now() -> DateTime<Utc> {
    SystemClock::start().now()
}

pub(super) fn binding(number: u128) -> BindingId {
    Uuid::from_u128(number).into()
}

/// A namespace with its workloads.
pub(super) struct Shop {
    pub(super) cluster: &'static Kubernetes,
    pub(super) namespace: &'static str,
}

impl Shop {
    pub(super) async fn new(namespace: &'static str) -> Result<Self> {
        let cluster = cluster().await?;
        cluster.create_namespace(namespace).await?;
        Ok(Self { cluster, namespace })
    }

    pub(super) fn path(&self, plural: &str, name: &str) -> String {
        format!("/apis/apps/v1/namespaces/{}/{plural}/{name}", self.namespace)
    }

    pub(super) async fn get(&self, plural: &str, name: &str) -> Result<Value> {
        self.cluster.request("GET", &self.path(plural, name), None).await
    }

    /// Applies a manifest as another tool does, with its own field manager.
    pub(super) async fn apply(&self, plural: &str, manifest: &Value) -> Result<Value> {
        let name = manifest["metadata"]["name"].as_str().context("a manifest without a name")?;
        self.cluster.apply(&self.path(plural, name), manifest.clone()).await
    }

    /// Makes a Deployment that uses Secrets by envFrom, and waits until it is rolled out.
    pub(super) async fn deploy(&self, name: &str, secrets: &[&str]) -> Result<Value> {
        let manifest = workload("Deployment", name, secrets);
        self.apply("deployments", &manifest).await?;
        self.cluster.await_rollout(self.namespace, name, LIMIT).await?;
        Ok(manifest)
    }

    /// Waits until a workload has a pod: one that has none has nothing to restart.
    pub(super) async fn await_pod(&self, name: &str) -> Result<()> {
        let path = format!("/api/v1/namespaces/{}/pods?labelSelector=app%3D{name}", self.namespace);
        wait::until("a pod", LIMIT, async || {
            let pods = self.cluster.request("GET", &path, None).await?;
            anyhow::ensure!(pods["items"].as_array().is_some_and(|pods| !pods.is_empty()), "{name} has none");
            Ok(())
        })
        .await
    }

    /// How many ReplicaSets a Deployment has had: one for each restart, and its first.
    pub(super) async fn replica_sets(&self, deployment: &str) -> Result<usize> {
        let sets = self.get("replicasets", "").await?;
        let of = |set: &&Value| set["metadata"]["ownerReferences"][0]["name"] == deployment;
        Ok(sets["items"].as_array().context("no items")?.iter().filter(of).count())
    }

    /// The annotation that a restart leaves.
    pub(super) async fn restarted_for(&self, plural: &str, name: &str) -> Result<Option<String>> {
        let workload = self.get(plural, name).await?;
        let text = workload["spec"]["template"]["metadata"]["annotations"]["lockstep.dev/restarted-for"].as_str();
        Ok(text.map(str::to_owned))
    }

    /// When its newest restart was.
    pub(super) async fn restarted_at(&self, deployment: &str) -> Result<DateTime<Utc>> {
        let workload = self.get("deployments", deployment).await?;
        let text = workload["spec"]["template"]["metadata"]["annotations"]["lockstep.dev/restarted-at"].as_str();
        Ok(DateTime::parse_from_rfc3339(text.context("it was not restarted")?)?.to_utc())
    }

    /// Content of a binding's Secret that changed just now. Workloads' times are in whole seconds, so those made in this second
    /// are counted as older.
    pub(super) fn due(&self, number: u128, secret: &str, seq: u64) -> Due {
        let revision = Revision { epoch: Epoch::new(1), seq: Seq::new(seq) };
        Due {
            binding: binding(number),
            name: secret.to_owned(),
            policy: Policy::Auto,
            secret: secret.to_owned(),
            changes: [(self.namespace.to_owned(), Changed { revision, at: now() })].into(),
        }
    }
}

/// A manifest.
pub(super) fn workload(kind: &str, name: &str, secrets: &[&str]) -> Value {
    let env: Vec<_> = secrets.iter().map(|secret| json!({ "secretRef": { "name": secret, "optional": true } })).collect();
    let mut workload = json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "nodeName": Kubernetes::NODE, "containers": [{ "name": "main", "image": "none", "envFrom": env }] },
            },
        },
    });
    if kind == "DaemonSet" {
        // The API server taints a node that is not ready yet, and no controller here takes that back.
        workload["spec"]["template"]["spec"]["tolerations"] = json!([{ "operator": "Exists" }]);
    } else {
        workload["spec"]["replicas"] = json!(1);
    }
    if kind == "StatefulSet" {
        workload["spec"]["serviceName"] = json!(name);
    }
    workload
}

/// The restarts of one agent; they end when this is dropped.
pub(super) struct Agent {
    pub(super) restarts: Restarts,
    pub(super) metrics: Metrics,
    registry: Registry,
    /// Whether it may write.
    pub(super) fence: Arc<AtomicBool>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Agent {
    pub(super) async fn start(settings: Settings) -> Result<Self> {
        let kubeconfig = cluster().await?.kubeconfig();
        Self::start_with(kubeconfig, settings).await
    }

    pub(super) async fn start_with(kubeconfig: &std::path::Path, settings: Settings) -> Result<Self> {
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let registry = Registry::new();
        let metrics = Metrics::register(&registry, Arc::new(SystemClock::start()))?;
        let fence = Arc::new(AtomicBool::new(true));
        let asked = fence.clone();
        let restarts = Restarts::new(
            kube::Client::try_from(config)?,
            settings,
            Arc::new(SystemClock::start()),
            Arc::new(move || asked.load(Ordering::SeqCst)),
            metrics.clone(),
        );
        let stop = CancellationToken::new();
        let running = tokio::spawn(restarts.clone().run(stop.clone()));
        Ok(Self { restarts, metrics, registry, fence, stop, running })
    }

    /// Waits for a report of a binding.
    pub(super) async fn report(&self, number: u128, what: &str, holds: impl Fn(&Report) -> bool) -> Result<Report> {
        let mut reports = self.restarts.reports();
        let waiting = reports.wait_for(|reports| reports.get(&binding(number)).is_some_and(&holds));
        let report = match tokio::time::timeout(LIMIT, waiting).await {
            Ok(reports) => reports?.get(&binding(number)).cloned(),
            Err(_) => None,
        };
        report.with_context(|| format!("waited in vain for {what}: {:?}", self.restarts.reports().borrow().get(&binding(number))))
    }

    /// Waits until a binding's change is in everywhere.
    pub(super) async fn healthy(&self, number: u128, seq: u64) -> Result<Report> {
        let is_done = |report: &Report| report.revision.seq == Seq::new(seq) && report.healthy == report.total;
        self.report(number, "all to be healthy", is_done).await
    }

    /// Waits until it has looked at a binding's change, whatever it found.
    pub(super) async fn has_looked(&self, number: u128, seq: u64) -> Result<Report> {
        self.report(number, "a look", |report| report.revision.seq == Seq::new(seq)).await
    }

    /// Ends it, as a pod that is deleted.
    pub(super) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.running.await?;
        Ok(())
    }

    /// How many restarts ended so, by the metric.
    pub(super) fn outcomes(&self, outcome: &str) -> Result<u64> {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        let name = format!("lockstep_agent_restarts_total{{outcome=\"{outcome}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&name)).context("there is no such outcome")?;
        Ok(value.parse()?)
    }

    pub(super) async fn await_idle(&self) -> Result<()> {
        wait::until("nothing in motion", LIMIT, async || self.metrics.restarts_in_motion.get() == 0).await
    }
}
