//! The way to the API server of the cluster that the agent runs in.

use std::path::Path;
use std::time::Duration;

use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use thiserror::Error;
use tower::timeout::TimeoutLayer;

use crate::command::KubernetesArguments;

/// Whom the API server names as the one that wrote a field of the agent's own objects.
pub(crate) const FIELD_MANAGER: &str = "lockstep-agent";
/// Makes the agent's own objects, empty. Applied by another manager than [`FIELD_MANAGER`], so that making one that another
/// replica made and filled a moment ago takes nothing away from it.
pub(crate) const CREATOR: &str = "lockstep-agent-creator";
/// No request takes longer.
const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(5);
/// A pod's name where nothing tells it.
const POD_UNKNOWN: &str = "agent";

/// A cluster's API server, and who the agent is there; a copy costs nothing.
#[derive(Clone)]
pub(crate) struct Kubernetes {
    /// The client. A request through it is given up after [`Kubernetes::request_timeout`] without the head of an answer, a watch
    /// too. Wrap what reads an answer to its end in [`Kubernetes::within`].
    pub(crate) client: Client,
    /// The agent's own namespace.
    pub(crate) namespace: String,
    /// The agent's own pod.
    pub(crate) pod: String,
    /// How long one request may take: at most a third of the lease, so that a holder can try more than once.
    pub(crate) request_timeout: Duration,
}

/// Why a request brought nothing. Never says what was sent or read.
#[derive(Debug, Error)]
pub(crate) enum RequestError {
    /// No answer in time.
    #[error("the API server did not answer within {0:?}")]
    Slow(Duration),
    /// The API server said no.
    #[error("the API server answered {code}: {message}")]
    Refused {
        /// HTTP's status.
        code: u16,
        /// What it said.
        message: String,
    },
    /// It could not be reached, or its answer could not be read.
    #[error("no answer from the API server: {0}")]
    Failed(String),
}

impl RequestError {
    fn is(&self, wanted: u16) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == wanted)
    }

    /// There is no such object.
    pub(crate) fn is_not_found(&self) -> bool {
        self.is(404)
    }

    /// The object is not at the version that was told.
    pub(crate) fn is_conflict(&self) -> bool {
        self.is(409)
    }

    /// Whether another attempt can turn out better without a person doing something.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Slow(_) | Self::Failed(_) => true,
            Self::Refused { code, .. } => *code == 429 || *code >= 500,
        }
    }
}

impl From<kube::Error> for RequestError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused { code: status.code, message: status.message },
            // serde_json's own text may quote what it saw.
            kube::Error::SerdeError(e) => Self::Failed(format!("not understood, line {}, column {}", e.line(), e.column())),
            kube::Error::FromUtf8(_) => Self::Failed("not text".to_owned()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl Kubernetes {
    /// In the pod's own cluster, or where the kubeconfig file leads. Nothing is asked yet.
    pub(crate) async fn connect(arguments: &KubernetesArguments) -> Result<Self, String> {
        let request_timeout = REQUEST_TIMEOUT_MAX.min(arguments.lease_duration() / 3);
        let mut config = match &arguments.kubeconfig {
            Some(file) => from_file(file).await?,
            // The token is read again once a minute, the CA too.
            None => Config::incluster()
                .map_err(|e| format!("this is no pod with a service account ({e}): run in one, or give --kubeconfig"))?,
        };
        config.connect_timeout = Some(request_timeout);
        config.write_timeout = Some(request_timeout);
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let in_pod = || arguments.kubeconfig.is_none().then(|| variable("POD_NAMESPACE")).flatten();
        let namespace = arguments.namespace.clone().or_else(in_pod).unwrap_or_else(|| config.default_namespace.clone());
        let builder = ClientBuilder::try_from(config).map_err(|e| format!("the client cannot be made: {e}"))?;
        let client = builder.with_layer(&TimeoutLayer::new(request_timeout)).build();
        let pod = arguments.pod_name.clone().or_else(|| variable("POD_NAME")).or_else(|| variable("HOSTNAME"));
        Ok(Self { client, namespace, pod: pod.unwrap_or_else(|| POD_UNKNOWN.to_owned()), request_timeout })
    }

    /// One request to the end of its answer, or until its time is over.
    pub(crate) async fn within<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, RequestError> {
        match tokio::time::timeout(self.request_timeout, request).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(RequestError::Slow(self.request_timeout)),
        }
    }
}

async fn from_file(file: &Path) -> Result<Config, String> {
    let failed = |e: &dyn std::fmt::Display| format!("kubeconfig {} cannot be used: {e}", file.display());
    let kubeconfig = Kubeconfig::read_from(file).map_err(|e| failed(&e))?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(|e| failed(&e))
}

impl std::fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kubernetes").field("namespace", &self.namespace).field("pod", &self.pod).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_or_read_is_in_no_error() {
        let quoting = serde_json::from_str::<u8>("\"canary\"").unwrap_err();
        assert!(quoting.to_string().contains("canary"));
        let error = RequestError::from(kube::Error::SerdeError(quoting));
        assert!(error.to_string().contains("line 1") && !error.to_string().contains("canary"), "{error}");
    }

    #[test]
    fn time_heals_an_outage_and_no_refusal() {
        let refused = |code| RequestError::Refused { code, message: String::new() };
        for (code, want) in [(403, false), (404, false), (409, false), (422, false), (429, true), (500, true), (503, true)] {
            assert_eq!(refused(code).is_transient(), want, "{code}");
        }
        assert!(RequestError::Slow(Duration::ZERO).is_transient());
    }
}
