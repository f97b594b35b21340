//! The API server, as restarts use it.

use std::fmt::{self, Display};
use std::time::Duration;

use axum::http::Request;
use kube::Client;
use kube::api::{GetParams, ListParams, Patch, PatchParams};
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use super::annotation::FIELD_MANAGER;
use super::kind::{Kind, Workload};
use super::object::{Object, Page, Pod};
use super::pods::Pods;
use crate::loops::RESTARTS;
use crate::metrics::Metrics;

/// No request takes longer.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// Workloads or pods of one page of a list: it is in memory as a whole.
const PAGE_SIZE: u32 = 100;
/// Pods that ended run nothing.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";
/// Characters of another's message that are passed on.
const MESSAGE_MAX: usize = 300;

/// Why the API server did not do it.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum ApiError {
    /// There is no such workload (any more).
    #[error("it is gone")]
    Gone,
    /// It is another one, or it changed, since it was looked at.
    #[error("it changed meanwhile")]
    Changed,
    /// Not before somebody changes something; says what.
    #[error("{0}")]
    Refused(String),
    /// It may answer another time.
    #[error("{0}")]
    Away(String),
}

/// A client of the API server.
pub(super) struct Api {
    client: Client,
    metrics: Metrics,
}

impl Api {
    /// With the agent's own client.
    pub(super) fn new(client: Client, metrics: Metrics) -> Self {
        Self { client, metrics }
    }

    /// A page of all workloads of a kind; `next` is what the page before it said.
    pub(super) async fn page(&self, namespace: &str, kind: Kind, next: Option<&str>) -> Result<Page<Object>, ApiError> {
        let mut params = ListParams::default().limit(PAGE_SIZE);
        params.continue_token = next.map(str::to_owned);
        self.send(&Asked::of(kind, "list", namespace), path(namespace, kind).list(&params)).await
    }

    /// When the pods of a workload were made; `None`: that cannot be told.
    pub(super) async fn pods(&self, workload: &Workload, object: &Object) -> Result<Option<Pods>, ApiError> {
        let Some(selector) = object.spec.selector.query() else { return Ok(None) };
        let namespace = &workload.namespace;
        let asked = Asked { verb: "list", group: "\"\"", resource: "pods", namespace };
        let path = kube::core::Request::new(format!("/api/v1/namespaces/{namespace}/pods"));
        let mut params = ListParams::default().labels(&selector).fields(NOT_ENDED).limit(PAGE_SIZE);
        let mut pods: Vec<Pod> = Vec::new();
        loop {
            let page: Page<Pod> = self.send(&asked, path.list_metadata(&params)).await?;
            pods.extend(page.items.into_iter().flatten());
            params.continue_token = page.metadata.next.filter(|next| !next.is_empty());
            if params.continue_token.is_none() {
                return Ok(Some(Pods::of(workload.kind, object, pods.iter().map(|pod| &pod.metadata))));
            }
        }
    }

    /// A workload as it is now.
    pub(super) async fn get(&self, workload: &Workload) -> Result<Object, ApiError> {
        let Workload { namespace, kind, name } = workload;
        let request = path(namespace, *kind).get(name, &GetParams::default());
        self.send(&Asked::of(*kind, "get", namespace), request).await
    }

    /// Applies `patch`; answers with the workload as it is then. By force: the two keys are ours by their prefix, and a copy of
    /// them in somebody's manifest is none of his decisions.
    pub(super) async fn apply(&self, workload: &Workload, patch: &Value) -> Result<Object, ApiError> {
        let Workload { namespace, kind, name } = workload;
        let request = path(namespace, *kind).patch(name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(patch));
        self.send(&Asked::of(*kind, "patch", namespace), request).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        asked: &Asked<'_>,
        request: Result<Request<Vec<u8>>, impl Display>,
    ) -> Result<T, ApiError> {
        let request = request.map_err(|error| ApiError::Refused(error.to_string()))?;
        let sent = tokio::time::timeout(REQUEST_LIMIT, self.client.request_text(request));
        let sent = sent.await;
        RESTARTS.turned(&self.metrics);
        let text = sent.map_err(|_| ApiError::Away(format!("no answer within {REQUEST_LIMIT:?}")))?;
        let text = text.map_err(|error| asked.judge(&error))?;
        // Parsed here and without the parser's words: kube's own parsing logs the whole text when it fails, and a pod template
        // may hold anything.
        serde_json::from_str(&text).map_err(|_| ApiError::Away(format!("{asked}: the answer is no such object")))
    }
}

fn path(namespace: &str, kind: Kind) -> kube::core::Request {
    kube::core::Request::new(format!("/apis/apps/v1/namespaces/{namespace}/{}", kind.plural()))
}

/// What was asked, for errors.
struct Asked<'a> {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    namespace: &'a str,
}

impl Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in namespace {}", self.verb, self.resource, self.namespace)
    }
}

impl<'a> Asked<'a> {
    fn of(kind: Kind, verb: &'static str, namespace: &'a str) -> Self {
        Self { verb, group: "apps", resource: kind.plural(), namespace }
    }

    fn judge(&self, error: &kube::Error) -> ApiError {
        let kube::Error::Api(status) = error else { return ApiError::Away(error.to_string()) };
        let message: String = status.message.chars().take(MESSAGE_MAX).collect();
        match status.code {
            404 => ApiError::Gone,
            409 => ApiError::Changed,
            // An admission webhook also answers 403; RBAC's answer names the verb.
            403 if message.contains(&format!("cannot {} resource", self.verb)) => ApiError::Refused(format!(
                "the agent may not {self}: allow it with the rule {{apiGroups: [{}], resources: [{}], verbs: [{}]}}",
                self.group, self.resource, self.verb
            )),
            // 401: the token is read anew; 408, 410 and 429: it is asked anew, a list from its beginning.
            401 | 408 | 410 | 429 => ApiError::Away(message),
            400..=499 => ApiError::Refused(format!("the API server refused to {self}: {message}")),
            _ => ApiError::Away(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn an_answer_says_whether_to_ask_again_and_what_is_missing() {
        let asked = Asked::of(Kind::Deployment, "patch", "shop");
        let judge = |code, message: &str| asked.judge(&kube::Error::Api(Box::new(Status::failure(message, "").with_code(code))));
        let rbac = "deployments.apps \"x\" is forbidden: User \"a\" cannot patch resource \"deployments\" in API group \"apps\"";
        assert_eq!(
            judge(403, rbac).to_string(),
            "the agent may not patch deployments in namespace shop: allow it with the rule {apiGroups: [apps], resources: [deployments], verbs: [patch]}"
        );
        assert!(
            matches!(judge(403, "admission webhook \"x\" denied the request"), ApiError::Refused(why) if why.contains("webhook"))
        );
        assert!(matches!(judge(422, &"x".repeat(9000)), ApiError::Refused(why) if why.len() < 400));
        assert_eq!((judge(404, ""), judge(409, "")), (ApiError::Gone, ApiError::Changed));
        for code in [401, 410, 429, 500, 503] {
            assert!(matches!(judge(code, "x"), ApiError::Away(_)), "{code}");
        }
    }
}
