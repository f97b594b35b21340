//! Whose a token is, as the API server says. Pure.

use k8s_openapi::api::authentication::v1::UserInfo;

use super::{Pod, Refusal};

const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// Of a service account; the rest where the token is bound to a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Who {
    namespace: String,
    service_account: String,
    pod_name: Option<String>,
    pod_uid: Option<String>,
    node: Option<String>,
}

impl Who {
    /// `None`: it is no service account, so neither a pod nor a node agent.
    pub(super) fn of(user: Option<&UserInfo>) -> Option<Self> {
        let user = user?;
        let (namespace, service_account) = user.username.as_deref()?.strip_prefix(SERVICE_ACCOUNT)?.split_once(':')?;
        let extra = |key: &str| match user.extra.as_ref()?.get(key)?.as_slice() {
            [one] if !one.is_empty() => Some(one.clone()),
            _ => None,
        };
        Some(Self {
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
            pod_name: extra(POD_NAME),
            pod_uid: extra(POD_UID),
            node: extra(NODE_NAME),
        })
    }

    /// Its node, if it is a node agent.
    pub(super) fn node_of(&self, namespace: &str, service_account: &str) -> Result<&str, Refusal> {
        if (self.namespace.as_str(), self.service_account.as_str()) != (namespace, service_account) {
            return Err(Refusal::Denied(format!(
                "{self} may not ask for volumes: only node agents may, with service account {service_account} of namespace {namespace} \
                 (--node-service-account)"
            )));
        }
        self.node.as_deref().ok_or_else(|| not_bound("node agent's"))
    }

    /// Whether both are one service account.
    pub(super) fn is_same_account(&self, other: &Self) -> bool {
        (&self.namespace, &self.service_account) == (&other.namespace, &other.service_account)
    }

    /// Whether it is this pod, on this node.
    pub(super) fn is_pod(&self, pod: &Pod, node: &str) -> Result<(), Refusal> {
        let denied = |what: &str| {
            Err(Refusal::Denied(format!(
                "the pod's token is of another {what} than the volume that is asked for, of pod {}/{}: the driver must send the token of \
                 the pod that it mounts for",
                pod.namespace, pod.name
            )))
        };
        if (&self.namespace, &self.service_account) != (&pod.namespace, &pod.service_account) {
            return denied("service account");
        }
        let (Some(name), Some(uid)) = (&self.pod_name, &self.pod_uid) else {
            return Err(Refusal::Denied(
                "the pod's token is bound to no pod: it must be the one that the driver was given for the mount".to_owned(),
            ));
        };
        if (name, uid) != (&pod.name, &pod.uid) {
            return denied("pod");
        }
        match self.node.as_deref() {
            None => Err(not_bound("pod's")),
            Some(of_pod) if of_pod == node => Ok(()),
            Some(_) => Err(Refusal::Denied(format!(
                "pod {}/{} is not on node {node}, whose agent asks for its volume: a node agent may only ask for pods of its own node",
                pod.namespace, pod.name
            ))),
        }
    }
}

fn not_bound(whose: &str) -> Refusal {
    Refusal::Denied(format!(
        "the {whose} token names no node: it must be bound to a pod that runs on one, and Kubernetes must be 1.30 or newer"
    ))
}

/// For people.
impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "service account {} of namespace {}", self.service_account, self.namespace)
    }
}

#[cfg(test)]
pub(super) mod tests;
