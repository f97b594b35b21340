//! One cluster with an agent, a node agent and the Secrets Store CSI driver; what its pods mount.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use lockstep_testbed::csi_driver::{CsiDriver, PodVolume, apply_class, versions};
use lockstep_testbed::fleet::{KV, NAMESPACE, NodeAgent, STORY_LIMIT, Settings, Sink};
use lockstep_testbed::kubernetes::Pod;
use lockstep_testbed::{Fleet, Kubernetes, wait};
use serde_json::{Value, json};

/// The one cluster, its node, and the service account that bindings are for.
pub(crate) const CLUSTER: &str = "cluster-1";
pub(crate) const NODE: &str = "node-1";
pub(crate) const ACCOUNT: &str = "checkout";

/// Files of a volume: mode and content as text.
pub(crate) type Files = BTreeMap<String, (u32, String)>;

pub(crate) struct World {
    pub(crate) driver: CsiDriver,
    pub(crate) node: NodeAgent,
    pub(crate) fleet: Fleet,
}

impl World {
    pub(crate) async fn start() -> Result<Self> {
        let settings = Settings {
            replicas: 1,
            clusters: 1,
            watch_interval_ms: 200,
            sink: Sink::Secret,
            volumes: true,
            ..Settings::default()
        };
        let fleet = Fleet::start(settings).await?;
        fleet.apply(&fleet.basics()).await?;
        let kubernetes = fleet.agents[0].kubernetes()?;
        kubernetes.create_node(NODE).await?;
        for account in [ACCOUNT, "other"] {
            kubernetes.create_service_account(NAMESPACE, account).await?;
        }
        let node = fleet.agents[0].start_node(NODE).await?;
        let driver = CsiDriver::start(kubernetes, NODE, &node.providers).await?;
        Ok(Self { driver, node, fleet })
    }

    pub(crate) fn kubernetes(&self) -> Result<&Kubernetes> {
        self.fleet.agents[0].kubernetes()
    }

    /// Writes a version of `kv/shop/NAME`.
    pub(crate) async fn write(&self, name: &str, keys: Value) -> Result<()> {
        self.fleet.bao.kv_put(KV, &format!("shop/{name}"), &keys).await.map(drop)
    }

    /// Binds `kv/shop/NAME` for pods of [`ACCOUNT`], and waits until the cluster has it.
    pub(crate) async fn bind(&self, name: &str) -> Result<()> {
        self.fleet.apply(&binding(name)).await?;
        self.fleet.await_delivery(CLUSTER, name, "InSync").await.map(drop)
    }

    /// Makes a class for this provider with these objects.
    pub(crate) async fn class(&self, name: &str, objects: &str) -> Result<()> {
        self.class_in(NAMESPACE, name, &json!({ "objects": objects })).await
    }

    /// The same in another namespace, with all of its parameters.
    pub(crate) async fn class_in(&self, namespace: &str, name: &str, parameters: &Value) -> Result<()> {
        let class = json!({
            "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": { "name": name },
            "spec": { "provider": "lockstep", "parameters": parameters },
        });
        apply_class(self.kubernetes()?, namespace, &class).await
    }

    /// Makes a pod, and the volume of that class that it mounts.
    pub(crate) async fn pod(&self, name: &str, account: &str, class: &str) -> Result<PodVolume> {
        let pod = self.kubernetes()?.create_pod(NAMESPACE, name, account, NODE).await?;
        self.volume(&pod, class).await
    }

    /// The volume of that class that a pod mounts.
    pub(crate) async fn volume(&self, pod: &Pod, class: &str) -> Result<PodVolume> {
        let token = self.kubernetes()?.pod_token(pod, &["lockstep"]).await?;
        let Pod { namespace, name, uid, service_account } = pod.clone();
        let tokens = BTreeMap::from([("lockstep".to_owned(), token)]);
        Ok(PodVolume { namespace, pod: name, uid, service_account, class: class.to_owned(), tokens })
    }

    /// What a container would read.
    pub(crate) fn files(&self, volume: &PodVolume) -> Result<Files> {
        let text = |(path, (mode, bytes)): (String, (u32, Vec<u8>))| Ok((path, (mode, String::from_utf8(bytes)?)));
        self.driver.files(volume)?.into_iter().map(text).collect()
    }

    /// What the driver noted in the API.
    pub(crate) async fn versions(&self, volume: &PodVolume) -> Result<BTreeMap<String, String>> {
        versions(self.kubernetes()?, NAMESPACE, &volume.pod).await
    }

    /// Mounts again, as the kubelet does every so often, until a file reads so.
    pub(crate) async fn republish_until(&self, volume: &PodVolume, file: &str, content: &str) -> Result<()> {
        wait::until(&format!("{file} to be new"), STORY_LIMIT, async || {
            self.driver.publish(volume).await?;
            let files = self.files(volume)?;
            let (_, text) = files.get(file).context("it is not there")?;
            anyhow::ensure!(text == content, "it is the former one");
            anyhow::Ok(())
        })
        .await
    }
}

/// A binding of `kv/shop/NAME` for pods of [`ACCOUNT`].
pub(crate) fn binding(name: &str) -> String {
    let target = format!("{{csi: {{namespaces: [{NAMESPACE}], serviceAccounts: [{ACCOUNT}]}}}}");
    Fleet::binding(name).replace(&format!("{{directory: {{name: {name}}}}}"), &target)
}
