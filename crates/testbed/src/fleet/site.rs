//! Where an agent is: beside folders, or in a cluster.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::{NAMESPACE, Sink};
use crate::Kubernetes;
use crate::charts::install_agent_rbac;

/// The namespace that the agent's own objects are in.
pub(super) const AGENT_NAMESPACE: &str = "lockstep";

/// Where an agent is.
pub(super) enum Site {
    /// Beside its folders.
    Folder,
    /// In a cluster of its own.
    Cluster(Box<InCluster>),
}

/// A cluster, and how the agent gets to its API.
pub(super) struct InCluster {
    pub(super) kubernetes: Kubernetes,
    /// With a token of the chart's ServiceAccount, which has the chart's rights.
    pub(super) kubeconfig: PathBuf,
}

impl Site {
    /// Starts what it takes.
    pub(super) async fn start(sink: Sink) -> Result<Self> {
        match sink {
            Sink::Directory => Ok(Self::Folder),
            Sink::Secret => {
                let kubernetes = Kubernetes::start().await?;
                let rbac = json!({ "mode": "namespace", "namespaces": [NAMESPACE] });
                let kubeconfig = install_agent_rbac(&kubernetes, AGENT_NAMESPACE, &rbac).await?;
                Ok(Self::Cluster(Box::new(InCluster { kubernetes, kubeconfig })))
            }
        }
    }
}
