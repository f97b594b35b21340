//! The gRPC service: who speaks is in the certificate, the first message is Hello, then the stream is a session.

use std::pin::Pin;
use std::time::Duration;

use lockstep_proto::v1::{AgentMessage, ServerMessage, agent_message, agent_server};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::authority::agent_identity;
use crate::gateway::admission::{Peer, admit};
use crate::gateway::listener::ConnectionInfo;
use crate::gateway::{Gateway, purging, session};

/// How long a connected agent may take to say Hello.
const HELLO_LIMIT: Duration = Duration::from_secs(10);
/// Messages that wait to be written to the link. The agent's window is what really bounds them.
const OUTBOX_MAX: usize = 8;

/// The service.
pub(super) struct Service(Gateway);

impl Service {
    pub(super) fn new(gateway: Gateway) -> Self {
        Self(gateway)
    }
}

#[tonic::async_trait]
impl agent_server::Agent for Service {
    type LinkStream = Pin<Box<dyn Stream<Item = Result<ServerMessage, Status>> + Send>>;

    async fn link(&self, request: Request<Streaming<AgentMessage>>) -> Result<Response<Self::LinkStream>, Status> {
        let peer = peer(&request)?;
        if peer.identity.trust_domain != *self.0.app.authority.trust_domain() {
            return Err(Status::permission_denied("the certificate is of another trust domain"));
        }
        let gateway = self.0.clone();
        let mut inbound = request.into_inner();
        let (outbox, outbound) = mpsc::channel(OUTBOX_MAX);
        // The answer's headers go out at once: an agent may wait for them before it speaks.
        tokio::spawn(async move {
            let hello = match tokio::time::timeout(HELLO_LIMIT, inbound.message()).await {
                Ok(Ok(Some(AgentMessage { message: Some(agent_message::Message::Hello(hello)) }))) => hello,
                Ok(Ok(_)) => return refuse(&outbox, Status::invalid_argument("the first message must be Hello")).await,
                Ok(Err(_)) => return,
                Err(_) => return refuse(&outbox, Status::deadline_exceeded("Hello did not come")).await,
            };
            match admit(&gateway, &peer, hello).await {
                Ok(admitted) if admitted.purges => purging::run(gateway, admitted, inbound, outbox).await,
                Ok(admitted) => session::run(gateway, admitted, inbound, outbox).await,
                Err(status) => {
                    if status.code() == Code::PermissionDenied {
                        // Nobody who is refused for good keeps a connection, whatever he does on it.
                        peer.cut.soon();
                    }
                    refuse(&outbox, status).await;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(outbound))))
    }
}

async fn refuse(outbox: &mpsc::Sender<Result<ServerMessage, Status>>, status: Status) {
    tracing::info!(reason = status.message(), "an agent was refused");
    let _ = outbox.send(Err(status)).await;
}

fn peer(request: &Request<Streaming<AgentMessage>>) -> Result<Peer, Status> {
    let connection = request.extensions().get::<ConnectionInfo>();
    let connection = connection.ok_or_else(|| Status::internal("nothing is known of the connection"))?;
    let certificates = connection.peer.peer_certs().ok_or_else(|| Status::unauthenticated("no client certificate"))?;
    let leaf = certificates.first().ok_or_else(|| Status::unauthenticated("no client certificate"))?;
    let (identity, not_after) =
        agent_identity(leaf).map_err(|e| Status::permission_denied(format!("the certificate names no agent: {e}")))?;
    Ok(Peer { identity, not_after, chain: certificates.to_vec(), cut: connection.cut.clone() })
}
