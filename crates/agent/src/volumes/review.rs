//! Who asks: the API server says it of a node agent's token and of a pod's; no field of a request does.
//!
//! A pod's token is asked about at every read. Keeping the answer would only save something if it outlasted the two minutes after which
//! the driver republishes a volume, and for as long a pod that was deleted could still be impersonated; and it is cheap where it is
//! asked: 10,000 pods that republish every two minutes are 83 reviews a second, each a signature and look-ups in memory. A node
//! agent's token comes with every one of these reads, so its answer is kept for a minute.

mod kept;
mod who;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{SelfSubjectReview, TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::Api;
use kube::api::PostParams;
use tokio::sync::{OnceCell, Semaphore};

use super::refusal::Refusal;
use crate::clock::Clock;
use crate::kubernetes::{Kubernetes, RequestError};
use crate::metrics::{ReviewOutcome, VolumesMetrics};
use kept::Kept;
use who::Who;

/// Whom a token must be for; a token of the API server's own audience can do more than show who somebody is.
pub(crate) const AUDIENCE: &str = "lockstep";
/// Reviews under way.
const REVIEWS_MAX: usize = 64;
/// How long to wait for a turn.
const TURN_LIMIT: Duration = Duration::from_secs(2);
/// A service account's token has about 1 KiB.
const TOKEN_MAX_BYTES: usize = 16 << 10;

/// The pod that a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) service_account: String,
}

/// Asks the API server whose a token is.
pub(super) struct Reviewer {
    kubernetes: Kubernetes,
    api: Api<TokenReview>,
    /// The node agents' service account.
    node_account: String,
    kept: Kept,
    us: OnceCell<Who>,
    turns: Semaphore,
    clock: Arc<dyn Clock>,
    metrics: VolumesMetrics,
}

impl Reviewer {
    pub(super) fn new(kubernetes: &Kubernetes, node_account: &str, clock: Arc<dyn Clock>, metrics: VolumesMetrics) -> Self {
        Self {
            api: Api::all(kubernetes.client.clone()),
            kubernetes: kubernetes.clone(),
            node_account: node_account.to_owned(),
            kept: Kept::new(),
            us: OnceCell::new(),
            turns: Semaphore::new(REVIEWS_MAX),
            clock,
            metrics,
        }
    }

    /// The node whose agent this token is of.
    pub(super) async fn node(&self, token: &str) -> Result<String, Refusal> {
        if let Some(node) = self.kept.get(token, self.clock.uptime()) {
            self.metrics.count_review(ReviewOutcome::Kept);
            return Ok(node);
        }
        let (namespace, account) = (&self.kubernetes.namespace, &self.node_account);
        let Some(who) = self.ask(token).await? else {
            return Err(Refusal::Unauthenticated(format!(
                "the node agent's token is not good for audience {AUDIENCE}: it needs a projected one (serviceAccountToken with audience \
                 {AUDIENCE}) of service account {account} in namespace {namespace}"
            )));
        };
        let node = who.node_of(namespace, account)?.to_owned();
        self.kept.keep(token, &node, self.clock.uptime(), self.clock.now());
        Ok(node)
    }

    /// Whether this token is of another replica of this agent: of the same service account.
    pub(super) async fn replica(&self, token: &str) -> Result<(), Refusal> {
        let who = self.ask(token).await?;
        let us = self.us.get_or_try_init(|| self.ask_who_we_are()).await?;
        match who {
            Some(who) if who.is_same_account(us) => Ok(()),
            Some(who) => Err(Refusal::Denied(format!("{who} may not follow: only replicas of this agent may, {us}"))),
            None => Err(Refusal::Unauthenticated(format!(
                "the replica's token is not good for audience {AUDIENCE}: --peer-token-file needs a projected one"
            ))),
        }
    }

    async fn ask_who_we_are(&self) -> Result<Who, Refusal> {
        let api: Api<SelfSubjectReview> = Api::all(self.kubernetes.client.clone());
        let answer = self.kubernetes.within(api.create(&PostParams::default(), &SelfSubjectReview::default())).await;
        let user = answer.map_err(|error| Refusal::Failed(away(&error)))?.status.and_then(|status| status.user_info);
        Who::of(user.as_ref()).ok_or_else(|| Refusal::Failed("this agent does not run as a service account".to_owned()))
    }

    /// Whether this token is of this pod, on this node.
    pub(super) async fn pod(&self, token: &str, pod: &Pod, node: &str) -> Result<(), Refusal> {
        let Some(who) = self.ask(token).await? else {
            return Err(Refusal::Unauthenticated(format!(
                "the pod's token is not good for audience {AUDIENCE}: the driver's CSIDriver object must list {AUDIENCE} in \
                 tokenRequests, and the pod must still be there"
            )));
        };
        who.is_pod(pod, node)
    }

    /// `None`: the token is not good.
    async fn ask(&self, token: &str) -> Result<Option<Who>, Refusal> {
        if token.is_empty() || token.len() > TOKEN_MAX_BYTES {
            self.metrics.count_review(ReviewOutcome::Bad);
            return Ok(None);
        }
        let Ok(Ok(_turn)) = tokio::time::timeout(TURN_LIMIT, self.turns.acquire()).await else {
            return Err(Refusal::Busy(format!("{REVIEWS_MAX} tokens are being reviewed at once: try again")));
        };
        let spec = TokenReviewSpec { audiences: Some(vec![AUDIENCE.to_owned()]), token: Some(token.to_owned()) };
        let review = TokenReview { spec, ..TokenReview::default() };
        match self.kubernetes.within(self.api.create(&PostParams::default(), &review)).await {
            Ok(answer) => {
                let who = answer.status.and_then(|status| good(&status));
                self.metrics.count_review(if who.is_some() { ReviewOutcome::Good } else { ReviewOutcome::Bad });
                Ok(who)
            }
            Err(error) => {
                self.metrics.count_review(ReviewOutcome::Failed);
                Err(Refusal::Failed(away(&error)))
            }
        }
    }
}

/// Whose it is, if it is good for us.
fn good(status: &TokenReviewStatus) -> Option<Who> {
    // An API server that knows nothing of audiences names none: then the token may be for anybody.
    let is_for_us = status.audiences.iter().flatten().any(|audience| audience == AUDIENCE);
    (status.authenticated == Some(true) && is_for_us).then(|| Who::of(status.user.as_ref()))?
}

/// What the API server said is not repeated: it was asked about a token.
fn away(error: &RequestError) -> String {
    match error {
        RequestError::Refused { code: 401 | 403, .. } => {
            "the API server does not let the agent ask whose a token is: its ClusterRole must allow create of tokenreviews \
             (authentication.k8s.io)"
                .to_owned()
        }
        RequestError::Refused { code, .. } => format!("the API server answered {code} to a TokenReview: try again"),
        RequestError::Slow(_) | RequestError::Failed(_) => {
            "the API server cannot be asked whose a token is at the moment: try again".to_owned()
        }
    }
}

#[cfg(test)]
mod tests;
