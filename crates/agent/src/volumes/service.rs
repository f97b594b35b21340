//! `Volumes/Read`: who asks, whether it is their turn, and what there is for the pod.

mod asked;
mod told;

use std::sync::Arc;
use std::time::Duration;

use lockstep_proto::node::volumes_server::Volumes;
use lockstep_proto::node::{Entry, ObjectContent, ReadRequest, ReadResponse};
use prometheus::IntGauge;
use tokio::sync::watch;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use super::refusal::Refusal;
use super::review::{Pod, Reviewer};
use super::turns::{Turn, Turns};
use crate::clock::Clock;
use crate::lease::Standing;
use crate::metrics::VolumesMetrics;
use crate::sink::csi::{Asker, Csi, Found, NotGiven, Wanted};
use asked::Asked;
use told::Told;

/// How long a request may take, with its waiting.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);
/// The most that one volume may hold: a message of the driver's has 4 MiB, and names and versions need some of it.
pub(super) const CONTENT_MAX_BYTES: usize = (4 << 20) - (64 << 10);
const BEARER: &str = "Bearer ";

/// Answers node agents.
pub(super) struct Service {
    pub(super) csi: Arc<Csi>,
    pub(super) reviewer: Arc<Reviewer>,
    pub(super) turns: Turns,
    pub(super) knowledge: Knowledge,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: VolumesMetrics,
}

/// Whether this replica would know of a binding if there was one.
pub(super) struct Knowledge {
    pub(super) standing: watch::Receiver<Standing>,
    /// 1 while linked to a server.
    pub(super) connected: IntGauge,
}

impl Knowledge {
    /// Why it may not know; `None` where it does.
    fn lacks(&self) -> Option<&'static str> {
        match *self.standing.borrow() {
            Standing::Leader if self.connected.get() == 1 => None,
            Standing::Leader => Some("this agent is not linked to a server, and does not have it: try again"),
            Standing::Standby | Standing::Unknown(_) => {
                Some("this replica of the agent stands by, and does not have it: ask the other one, or try again")
            }
        }
    }
}

impl Service {
    async fn answer(&self, metadata: &MetadataMap, request: ReadRequest, told: &mut Told) -> Result<Answer, Refusal> {
        let _entered = self.turns.enter()?;
        let node_token = bearer(metadata)?;
        let asked = Asked::parse(request)?;
        let node = self.reviewer.node(&node_token).await?;
        told.asks(&asked);
        told.node(&node);
        let mut turn = self.turns.take(&node).await?;
        self.reviewer.pod(&asked.token, &asked.pod, &node).await?;
        let found = self.find(&asked.pod, &asked.objects)?;
        turn.carry(found.iter().map(Found::bytes).sum()).await?;
        told.gives(&found);
        Ok(Answer { response: response(&found), turn })
    }

    /// All of it, or an error.
    fn find(&self, pod: &Pod, objects: &[Wanted]) -> Result<Vec<Found>, Refusal> {
        let asker = Asker { namespace: &pod.namespace, service_account: &pod.service_account };
        let look_up = |wanted| {
            self.csi.look_up(asker, wanted).map_err(|why| match (why, self.knowledge.lacks()) {
                (NotGiven::Denied(_) | NotGiven::NoSuchKey(_) | NotGiven::Ambiguous(_), Some(lacks)) => {
                    NotGiven::NotAtHand(format!("{}: {lacks}", wanted.source))
                }
                (why, _) => why,
            })
        };
        let found = objects.iter().map(look_up).collect::<Result<Vec<Found>, _>>()?;
        let bytes: usize = found.iter().map(Found::bytes).sum();
        if bytes > CONTENT_MAX_BYTES {
            return Err(Refusal::Invalid(format!(
                "the volume's objects have {bytes} bytes, and the driver takes no more than {CONTENT_MAX_BYTES}: name fewer, or keys of them"
            )));
        }
        Ok(found)
    }
}

/// What is given, with the turn that ends when all of it was sent.
struct Answer {
    response: ReadResponse,
    turn: Turn,
}

fn response(found: &[Found]) -> ReadResponse {
    let content = |found: &Found| ObjectContent {
        version: found.version.clone(),
        entries: found.entries().map(|(key, value)| Entry { key: key.to_owned(), value: value.expose().to_vec() }).collect(),
        stale: found.is_stale,
    };
    ReadResponse { objects: found.iter().map(content).collect() }
}

#[tonic::async_trait]
impl Volumes for Service {
    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<ReadResponse>, Status> {
        let began = self.clock.uptime();
        let (metadata, _, message) = request.into_parts();
        // Told also where the caller went away in the middle.
        let mut told = Told::new(self.metrics.clone());
        let answer = tokio::time::timeout(REQUEST_LIMIT, self.answer(&metadata, message, &mut told)).await;
        let answer = answer.unwrap_or_else(|_| Err(Refusal::Failed(format!("no answer within {REQUEST_LIMIT:?}: try again"))));
        told.end(answer.as_ref().map(|answer| &answer.response), self.clock.uptime().saturating_sub(began));
        let Answer { response, turn } = answer?;
        let mut response = Response::new(response);
        response.extensions_mut().insert(Arc::new(turn));
        Ok(response)
    }
}

pub(super) fn bearer(metadata: &MetadataMap) -> Result<Zeroizing<String>, Refusal> {
    let text = metadata.get("authorization").and_then(|value| value.to_str().ok());
    let token = text.and_then(|text| text.strip_prefix(BEARER)).map(str::trim).filter(|token| !token.is_empty());
    token.map(|token| Zeroizing::new(token.to_owned())).ok_or_else(|| {
        Refusal::Unauthenticated("the request has no token of a node agent: `authorization: Bearer TOKEN` is needed".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_replica_that_leads_and_is_linked_knows_that_there_is_nothing() {
        let connected = IntGauge::new("a", "b").unwrap();
        let (standing, receiver) = watch::channel(Standing::Unknown(String::new()));
        let knowledge = Knowledge { standing: receiver, connected: connected.clone() };
        for (now, is_linked, want) in [
            (Standing::Unknown(String::new()), 0, Some("stands by")),
            (Standing::Standby, 0, Some("stands by")),
            (Standing::Leader, 0, Some("not linked")),
            (Standing::Leader, 1, None),
        ] {
            standing.send_replace(now);
            connected.set(is_linked);
            assert_eq!(knowledge.lacks().is_some(), want.is_some());
            assert!(knowledge.lacks().unwrap_or_default().contains(want.unwrap_or_default()));
        }
    }

    #[test]
    fn a_node_agents_token_is_a_bearer_token() {
        let with = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("authorization", text.parse().unwrap());
            bearer(&metadata).map(|token| token.to_string())
        };
        assert_eq!(with("Bearer a.b.c"), Ok("a.b.c".to_owned()));
        for text in ["", "Bearer ", "bearer", "Basic a.b.c", "a.b.c"] {
            assert!(matches!(with(text), Err(Refusal::Unauthenticated(why)) if !why.contains("a.b.c")), "{text}");
        }
        assert!(matches!(bearer(&MetadataMap::new()), Err(Refusal::Unauthenticated(_))));
    }
}
