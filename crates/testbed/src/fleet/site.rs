//! Where an agent is: beside folders, or in a cluster.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::{NAMESPACE, Settings, Sink};
use crate::Kubernetes;
use crate::charts::install_agent_rbac;

/// The namespace that the agent's own objects are in.
pub const AGENT_NAMESPACE: &str = "lockstep";

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
    /// For `--secret-access`, as the chart gives it.
    pub(super) access: &'static str,
}

impl Site {
    /// Starts what it takes.
    pub(super) async fn start(settings: &Settings) -> Result<Self> {
        match settings.sink {
            Sink::Directory => Ok(Self::Folder),
            Sink::Secret => {
                let kubernetes = Kubernetes::start().await?;
                let access = if settings.strict.is_empty() { "namespaces" } else { "names" };
                let rbac = match access {
                    "names" => {
                        json!({ "mode": "strict", "strict": { "secrets": [{ "namespace": NAMESPACE, "names": settings.strict }] } })
                    }
                    _ => json!({ "mode": "namespace", "namespaces": [NAMESPACE] }),
                };
                let values = json!({ "rbac": rbac, "csi": { "enabled": settings.volumes } });
                let kubeconfig = install_agent_rbac(&kubernetes, AGENT_NAMESPACE, &values).await?;
                Ok(Self::Cluster(Box::new(InCluster { kubernetes, kubeconfig, access })))
            }
        }
    }
}
