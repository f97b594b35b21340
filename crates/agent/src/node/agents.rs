//! The cluster's agent, behind its Service: one replica works and others stand by; whichever answers is asked.
//!
//! A connection is kept and used for all mounts, as long as it lives and the CA that it was made with is the one of the file.

use std::error::Error as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lockstep_proto::MESSAGE_MAX_BYTES;
use lockstep_proto::node::volumes_client::VolumesClient;
use lockstep_proto::node::{ReadRequest, ReadResponse};
use tokio::net::lookup_host;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::refusal::Refusal;
use super::trust::Bundle;
use crate::address::ServerAddress;
use crate::bearer::{self, Bearer};
use crate::connect::connect_at;

/// How long the agents have, all tries together: kubelet asks again by itself.
const READ_LIMIT: Duration = Duration::from_secs(10);
/// How long one of them has, so that another has time left.
const TRY_LIMIT: Duration = Duration::from_secs(5);
/// How long a connection may take: a pod's address that is no more answers nothing at all.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// More than the driver takes, so that it can be said which object is too large.
const ANSWER_MAX_BYTES: usize = 2 * MESSAGE_MAX_BYTES;

/// Who is asked, and how.
pub(super) struct Agents {
    /// Names of services, mostly one.
    services: Vec<ServerAddress>,
    ca_file: PathBuf,
    token_file: PathBuf,
    last: Mutex<Last>,
}

/// Who answered last.
#[derive(Default)]
struct Last {
    at: Option<Replica>,
    link: Option<Link>,
}

/// One of the addresses of a service.
#[derive(Clone, PartialEq, Eq)]
struct Replica {
    service: ServerAddress,
    at: SocketAddr,
}

/// A connection, and whom it trusts.
#[derive(Clone)]
struct Link {
    to: Replica,
    bundle: Bundle,
    channel: Channel,
}

/// Why there is no answer, and another replica may have one.
struct Failure {
    /// Then it says nothing of who is there: a new connection may do.
    is_of_connection: bool,
    refusal: Refusal,
}

impl Agents {
    pub(super) fn new(services: Vec<ServerAddress>, ca_file: PathBuf, token_file: PathBuf) -> Self {
        Self { services, ca_file, token_file, last: Mutex::default() }
    }

    /// For people.
    pub(super) fn names(&self) -> String {
        self.services.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Why it makes no sense to ask yet, if so.
    pub(super) async fn ready(&self) -> Result<(), Refusal> {
        self.token().await?;
        Bundle::read(&self.ca_file).await.map(|_| ())
    }

    /// What a volume holds.
    pub(super) async fn read(&self, question: &ReadRequest) -> Result<ReadResponse, Refusal> {
        let answer = timeout(READ_LIMIT, self.read_of_any(question)).await;
        answer.unwrap_or_else(|_| {
            let names = self.names();
            Err(Refusal::unavailable(format!("no agent at {names} answered within {READ_LIMIT:?}; kubelet tries again")))
        })
    }

    async fn read_of_any(&self, question: &ReadRequest) -> Result<ReadResponse, Refusal> {
        let token = self.token().await?;
        let bundle = Bundle::read(&self.ca_file).await?;
        let (link, first) = self.last(&bundle);
        // What a replica that is there says tells more than that another one is away.
        let (mut skipped, mut said, mut away, mut stale) = (None, None, None, None);
        if let Some(link) = link {
            match self.ask(&link, question, &token).await {
                // It could not ask a server: another one may have been able to.
                Ok(Ok(answer)) if is_stale(&answer) => {
                    skipped = Some(link.to.clone());
                    stale = Some((link, answer));
                }
                Ok(answer) => return answer,
                Err(Failure { is_of_connection, refusal }) => {
                    self.forget(&link);
                    skipped = (!is_of_connection).then_some(link.to);
                    *(if is_of_connection { &mut away } else { &mut said }) = Some(refusal);
                }
            }
        }
        let mut replicas = match self.replicas().await {
            Err(_) if stale.is_some() => Vec::new(),
            found => found?,
        };
        replicas.retain(|replica| Some(replica) != skipped.as_ref());
        replicas.sort_by_key(|replica| Some(replica) != first.as_ref());
        for replica in replicas {
            let link = match self.dial(replica, &bundle).await {
                Ok(link) => link,
                Err(refusal) => {
                    away = Some(refusal);
                    continue;
                }
            };
            match self.ask(&link, question, &token).await {
                Ok(Ok(answer)) if is_stale(&answer) => stale = stale.or(Some((link, answer))),
                Ok(answer) => {
                    self.keep(link);
                    return answer;
                }
                Err(Failure { is_of_connection, refusal }) => {
                    *(if is_of_connection { &mut away } else { &mut said }) = Some(refusal);
                }
            }
        }
        if let Some((link, answer)) = stale {
            self.keep(link);
            return Ok(answer);
        }
        Err(said
            .or(away)
            .unwrap_or_else(|| Refusal::unavailable(format!("{} has no address: does the agent run?", self.names()))))
    }

    /// The answer of this replica, also where that is a refusal; or why another one is to be asked.
    async fn ask(&self, link: &Link, question: &ReadRequest, token: &Bearer) -> Result<Result<ReadResponse, Refusal>, Failure> {
        let mut request = Request::new(question.clone());
        request.metadata_mut().insert("authorization", token.clone());
        let mut client = VolumesClient::new(link.channel.clone()).max_decoding_message_size(ANSWER_MAX_BYTES);
        let Replica { service, at } = &link.to;
        match timeout(TRY_LIMIT, client.read(request)).await {
            Ok(Ok(answer)) => Ok(Ok(answer.into_inner())),
            Ok(Err(status)) if is_of_connection(&status) => {
                let why = format!("the connection to the agent at {at} broke off ({:?}); kubelet tries again", status.code());
                Err(Failure { is_of_connection: true, refusal: Refusal::unavailable(why) })
            }
            Ok(Err(status)) => {
                let refusal = Refusal::of_agent(&status, service);
                if status.code() == Code::Unavailable {
                    Err(Failure { is_of_connection: false, refusal })
                } else {
                    Ok(Err(refusal))
                }
            }
            Err(_) => {
                let why = format!("the agent at {at} did not answer within {TRY_LIMIT:?}; kubelet tries again");
                Err(Failure { is_of_connection: false, refusal: Refusal::unavailable(why) })
            }
        }
    }

    async fn dial(&self, to: Replica, bundle: &Bundle) -> Result<Link, Refusal> {
        let config = bundle.config()?;
        let channel = connect_at(&to.service, to.at, config, CONNECT_LIMIT).await.map_err(|error| {
            tracing::debug!(at = %to.at, %error, "no connection to the agent");
            Refusal::unavailable(format!("no connection to the agent: {error}; kubelet tries again"))
        })?;
        Ok(Link { to, bundle: bundle.clone(), channel })
    }

    async fn replicas(&self) -> Result<Vec<Replica>, Refusal> {
        let (mut replicas, mut why): (Vec<Replica>, _) = (Vec::new(), None);
        for service in &self.services {
            match lookup_host(service.authority()).await {
                Err(error) => {
                    why = Some(format!("{service} has no address: {error}; does the agent run, and is that its Service?"));
                }
                Ok(found) => {
                    for replica in found.map(|at| Replica { service: service.clone(), at }) {
                        if !replicas.contains(&replica) {
                            replicas.push(replica);
                        }
                    }
                }
            }
        }
        match why {
            Some(why) if replicas.is_empty() => Err(Refusal::unavailable(why)),
            _ => Ok(replicas),
        }
    }

    /// Our own, for this one request: kubelet writes a new one before the old one ends.
    async fn token(&self) -> Result<Bearer, Refusal> {
        bearer::read(&self.token_file).await.map_err(|why| Refusal::unavailable(format!("the node agent's own token {why}")))
    }

    fn last(&self, bundle: &Bundle) -> (Option<Link>, Option<Replica>) {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (last.link.clone().filter(|link| link.bundle == *bundle), last.at.clone())
    }

    fn keep(&self, link: Link) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Last { at: Some(link.to.clone()), link: Some(link) };
    }

    /// Unless another mount has made a new one meanwhile.
    fn forget(&self, link: &Link) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.as_ref() == Some(&link.to) {
            last.link = None;
        }
    }
}

fn is_stale(answer: &ReadResponse) -> bool {
    answer.objects.iter().any(|object| object.stale)
}

/// Whether nobody said it: a status that came over the wire has no source.
fn is_of_connection(status: &Status) -> bool {
    status.source().is_some() || status.code() == Code::Cancelled
}
