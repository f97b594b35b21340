//! The one edge through which Secrets come and go. kube's own calls log and quote what they cannot read, so requests are sent by
//! hand here, and an answer becomes either what was asked for or a [`Failure`] that holds no value.

use std::fmt;
use std::time::Duration;

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use kube::Client;
use kube::client::Body;
use lockstep_core::name::Namespace;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::failure::{Failure, Refused};
use super::location::Location;
use super::object::{ObjectMeta, SecretObject};
use crate::kubernetes::Kubernetes;
use crate::metrics::Metrics;

/// The most bytes of one answer: a page of workloads is the longest. A Secret has at most 1 MiB.
const ANSWER_MAX_BYTES: usize = 16 << 20;
/// Of an answer that is an error.
const REFUSAL_MAX_BYTES: usize = 1 << 20;
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_ONLY_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// The cluster's API.
#[derive(Clone)]
pub(super) struct Api {
    client: Client,
    /// How long one request may take, the client's own retries included. Who leads, leads for at least as long.
    timeout: Duration,
    metrics: Metrics,
}

/// One request, in the words of RBAC and metrics.
struct Call<'a> {
    verb: &'static str,
    method: Method,
    path: &'a str,
    content_type: &'static str,
    accept: &'static str,
    body: Vec<u8>,
}

/// What the API server answered to a request that it met.
struct Answer {
    status: StatusCode,
    body: Zeroizing<Vec<u8>>,
}

impl Api {
    pub(super) fn new(kubernetes: &Kubernetes, metrics: Metrics) -> Self {
        Self { client: kubernetes.client.clone(), timeout: kubernetes.request_timeout, metrics }
    }

    /// For watches.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// For watches.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The Secret, values included; `None` if there is none.
    pub(super) async fn get(&self, location: &Location) -> Result<Option<SecretObject>, Failure> {
        match self.read("get", &location.path(), JSON).await {
            Ok(object) => Ok(Some(object)),
            Err(Failure::Refused(refused)) if refused.code == 404 => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The Secret's version, without what it holds; `None` if there is none.
    pub(super) async fn version(&self, location: &Location) -> Result<Option<String>, Failure> {
        match self.read("get", &location.path(), METADATA_ONLY).await {
            Ok(MetadataOnly { metadata }) => Ok(Some(metadata.resource_version)),
            Err(Failure::Refused(refused)) if refused.code == 404 => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Whether the API server says of a namespace itself that there is none. What it answers about things inside does not tell: with a
    /// namespace go the Roles in it, so they are refused as they are where a right was taken away.
    pub(super) async fn lacks_namespace(&self, namespace: &Namespace) -> bool {
        let answer: Result<MetadataOnly, Failure> =
            self.read("get", &format!("/api/v1/namespaces/{namespace}"), METADATA_ONLY).await;
        matches!(answer, Err(Failure::Refused(refused)) if refused.code == 404 && refused.is_of_namespace())
    }

    /// A server-side apply; says whether it made the Secret, and its new version. Values are not echoed.
    pub(super) async fn apply(
        &self,
        location: &Location,
        manager: &str,
        force: bool,
        object: &impl Serialize,
    ) -> Result<(bool, ObjectMeta), Failure> {
        let path = format!("{}?fieldManager={manager}&force={force}", location.path());
        let answer = self
            .send(Call {
                verb: "patch",
                method: Method::PATCH,
                path: &path,
                content_type: APPLY_PATCH,
                accept: METADATA_ONLY,
                body: bytes(object)?,
            })
            .await?;
        let object: MetadataOnly = parse(&answer.body)?;
        Ok((answer.status == StatusCode::CREATED, object.metadata))
    }

    /// A merge patch. Values are not echoed.
    pub(super) async fn merge(&self, location: &Location, manager: &str, changes: &impl Serialize) -> Result<(), Failure> {
        let path = format!("{}?fieldManager={manager}", location.path());
        let call = Call {
            verb: "patch",
            method: Method::PATCH,
            path: &path,
            content_type: MERGE_PATCH,
            accept: METADATA_ONLY,
            body: bytes(changes)?,
        };
        self.send(call).await.map(drop)
    }

    /// Deletes just the version that was looked at.
    pub(super) async fn delete(&self, location: &Location, uid: &str, resource_version: &str) -> Result<(), Failure> {
        let preconditions = serde_json::json!({ "preconditions": { "uid": uid, "resourceVersion": resource_version } });
        let deleted = self
            .send(Call {
                verb: "delete",
                method: Method::DELETE,
                path: &location.path(),
                content_type: JSON,
                accept: METADATA_ONLY,
                body: bytes(&preconditions)?,
            })
            .await;
        match deleted {
            Err(Failure::Refused(refused)) if refused.code == 404 => Ok(()),
            other => other.map(drop),
        }
    }

    /// Makes an object of another kind.
    pub(super) async fn create(&self, path: &str, object: &impl Serialize) -> Result<(), Failure> {
        let call =
            Call { verb: "create", method: Method::POST, path, content_type: JSON, accept: METADATA_ONLY, body: bytes(object)? };
        self.send(call).await.map(drop)
    }

    /// A page of a list, without what its objects hold.
    pub(super) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read("list", path, METADATA_ONLY_LIST).await
    }

    /// A page of a list, as it came.
    pub(super) async fn page(&self, path: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let call = Call { verb: "list", method: Method::GET, path, content_type: JSON, accept: JSON, body: Vec::new() };
        Ok(self.send(call).await?.body)
    }

    async fn read<T: DeserializeOwned>(&self, verb: &'static str, path: &str, accept: &'static str) -> Result<T, Failure> {
        let call = Call { verb, method: Method::GET, path, content_type: JSON, accept, body: Vec::new() };
        parse(&self.send(call).await?.body)
    }

    /// Sends, and counts what became of it.
    async fn send(&self, call: Call<'_>) -> Result<Answer, Failure> {
        let verb = call.verb;
        let sent = timeout(self.timeout, self.exchange(call)).await.unwrap_or(Err(Failure::Silent(self.timeout)));
        match &sent {
            Ok(answer) => self.metrics.count_kubernetes_request(verb, answer.status.as_str()),
            Err(Failure::Refused(refused)) => self.metrics.count_kubernetes_request(verb, &refused.code.to_string()),
            Err(_) => self.metrics.count_kubernetes_request(verb, "none"),
        }
        sent
    }

    async fn exchange(&self, call: Call<'_>) -> Result<Answer, Failure> {
        let request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(header::CONTENT_TYPE, call.content_type)
            .header(header::ACCEPT, call.accept)
            .body(Body::from(call.body))
            .map_err(|_| Failure::Strange)?;
        let response = self.client.send(request).await.map_err(|error| Failure::away(&error))?;
        let status = response.status();
        let limit = if status.is_success() { ANSWER_MAX_BYTES } else { REFUSAL_MAX_BYTES };
        let body = Limited::new(response.into_body(), limit).collect().await.map_err(|_| Failure::Strange)?;
        let body = Zeroizing::new(body.to_bytes().to_vec());
        if status.is_success() {
            Ok(Answer { status, body })
        } else {
            Err(Failure::Refused(Box::new(Refused::of(status.as_u16(), &body))))
        }
    }
}

#[derive(serde::Deserialize)]
struct MetadataOnly {
    metadata: ObjectMeta,
}

/// What serde says of a body quotes it, so it is not passed on.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|_| Failure::Strange)
}

fn bytes(object: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(object).map_err(|_| Failure::Strange)
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Api")
    }
}
