//! Pods with tokens of their own, and what the driver asks for each.

use anyhow::Result;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use lockstep_testbed::fleet::NAMESPACE;
use lockstep_testbed::kubernetes::Pod;
use lockstep_testbed::{Fleet, Kubernetes};
use serde_json::json;

use super::provider::MountRequest;

/// The binding, and the secret's last name.
pub(super) const SECRET: &str = "checkout";
/// The node of all pods.
pub(super) const NODE: &str = "node-1";
/// Whom the agent's binding lets mount, and whom a token must be for.
const ACCOUNT: &str = "checkout";
/// The audience of the pods' tokens.
pub(super) const AUDIENCE: &str = "lockstep";
const OBJECTS: &str =
    "- {objectName: password, binding: checkout, secretKey: password}\n- {objectName: all.json, binding: checkout}";
/// Pods made at once.
const IN_FLIGHT: usize = 8;

/// What pods of the service account may mount.
pub(super) fn binding() -> String {
    let target = format!("{{csi: {{namespaces: [{NAMESPACE}], serviceAccounts: [{ACCOUNT}]}}}}");
    Fleet::binding(SECRET).replace(&format!("{{directory: {{name: {SECRET}}}}}"), &target)
}

/// Makes a node and so many pods on it; answers the mount of each. There is no kubelet, which would make the tokens: the API is asked for them as it asks.
pub(super) async fn make(fleet: &Fleet, count: usize) -> Result<Vec<MountRequest>> {
    eprintln!("making {count} pods, with a token each");
    let kubernetes = fleet.agents[0].kubernetes()?;
    kubernetes.create_node(NODE).await?;
    kubernetes.create_service_account(NAMESPACE, ACCOUNT).await?;
    let one = async |index| one(kubernetes, index).await;
    stream::iter(0..count).map(one).buffer_unordered(IN_FLIGHT).try_collect().await
}

async fn one(kubernetes: &Kubernetes, index: usize) -> Result<MountRequest> {
    let pod = kubernetes.create_pod(NAMESPACE, &format!("checkout-{index}"), ACCOUNT, NODE).await?;
    let token = kubernetes.pod_token(&pod, &[AUDIENCE]).await?;
    Ok(request(&pod, &token))
}

fn request(pod: &Pod, token: &str) -> MountRequest {
    let tokens = json!({ AUDIENCE: { "token": token, "expirationTimestamp": "2100-01-01T00:00:00Z" } });
    let attributes = json!({
        "objects": OBJECTS,
        "secretProviderClass": "checkout",
        "csi.storage.k8s.io/ephemeral": "true",
        "csi.storage.k8s.io/pod.name": pod.name,
        "csi.storage.k8s.io/pod.namespace": pod.namespace,
        "csi.storage.k8s.io/pod.uid": pod.uid,
        "csi.storage.k8s.io/serviceAccount.name": pod.service_account,
        "csi.storage.k8s.io/serviceAccount.tokens": tokens.to_string(),
    });
    MountRequest {
        attributes: attributes.to_string(),
        secrets: "null".to_owned(),
        target_path: format!("/var/lib/kubelet/pods/{}/volumes/kubernetes.io~csi/secrets/mount", pod.uid),
        // 0644, as the driver writes it.
        permission: "420".to_owned(),
        current_object_version: Vec::new(),
    }
}
