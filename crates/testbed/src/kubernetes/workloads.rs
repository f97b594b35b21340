//! What makes Deployments roll out: the controller manager, and kwok in the kubelet's place.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Kubernetes;
use super::install::{CONTROLLER_MANAGER, KWOK, program};
use crate::process::Spec;
use crate::{Process, wait};

const READY_LIMIT: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_secs(3);
/// What our agents meet in a cluster. Node lifecycle and the like would only need more of kwok.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,job-controller,\
    namespace-controller,serviceaccount-controller,root-ca-certificate-publisher-controller,garbage-collector-controller";
const STAGES: &str = include_str!("stages.yaml");

impl Kubernetes {
    /// The node that [`Kubernetes::start_workloads`] makes. There is no scheduler: a pod's template must name it as `nodeName`.
    pub const NODE: &str = "testbed";

    /// Starts the controller manager and kwok, and makes a node: from then on a Deployment rolls out, though nothing of it
    /// really runs. Takes about 150 MB of memory.
    pub async fn start_workloads(&mut self) -> Result<()> {
        let folder = self.folder.path().to_owned();
        let manager = Process::spawn("kube-controller-manager", self.controller_manager(&folder)?, &folder)?;
        let kwok = Process::spawn("kwok", self.kwok(&folder)?, &folder)?;
        let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": Self::NODE } });
        self.request("POST", "/api/v1/nodes", Some(node)).await.context("making a node")?;
        let ready = async || is_ready(&self.request("GET", &format!("/api/v1/nodes/{}", Self::NODE), None).await?);
        kwok.until("make a node ready", READY_LIMIT, ready).await?;
        let account = async || self.request("GET", "/api/v1/namespaces/default/serviceaccounts/default", None).await;
        manager.until("make the default service account", READY_LIMIT, account).await?;
        self.workloads = vec![manager, kwok];
        Ok(())
    }

    /// Waits until a Deployment's newest generation is rolled out in full.
    pub async fn await_rollout(&self, namespace: &str, deployment: &str, limit: Duration) -> Result<()> {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}");
        wait::until(&format!("the rollout of {namespace}/{deployment}"), limit, async || {
            let deployment = self.request("GET", &path, None).await?;
            rolled_out(&deployment).with_context(|| format!("its status is {}", deployment["status"]))
        })
        .await
    }

    fn controller_manager(&self, folder: &Path) -> Result<Spec> {
        Ok(Spec::new(program(&CONTROLLER_MANAGER)?)
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .arg("--root-ca-file")
            .arg(self.files.ca())
            .arg(format!("--controllers={CONTROLLERS}"))
            // One of a kind, and nobody asks for its own endpoint.
            .args(["--leader-elect=false", "--secure-port=0"])
            .args(["--kube-api-qps=500", "--kube-api-burst=1000"])
            .grace(GRACE)
            .orphaned_folder(folder))
    }

    fn kwok(&self, folder: &Path) -> Result<Spec> {
        let stages = folder.join("stages.yaml");
        fs::write(&stages, STAGES).context("writing kwok's stages")?;
        Ok(Spec::new(program(&KWOK)?)
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .arg("--config")
            .arg(stages)
            .arg("--manage-all-nodes")
            .grace(GRACE)
            .orphaned_folder(folder))
    }
}

fn is_ready(node: &Value) -> Result<()> {
    let conditions = node["status"]["conditions"].as_array().context("it has no conditions")?;
    let ready = conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    ready.then_some(()).context("it is not ready")
}

/// As `kubectl rollout status` decides it.
fn rolled_out(deployment: &Value) -> Option<()> {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let wanted = spec["replicas"].as_u64()?;
    let seen = status["observedGeneration"].as_u64() >= deployment["metadata"]["generation"].as_u64();
    let all = ["replicas", "updatedReplicas", "availableReplicas"];
    (seen && all.iter().all(|count| status[count].as_u64().unwrap_or(0) == wanted)).then_some(())
}
