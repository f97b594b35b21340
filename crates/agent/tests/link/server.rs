//! A server that does what a test tells it, and shows the test what it hears.

use std::net::SocketAddr;
use std::pin::Pin as StdPin;
use std::sync::{Arc, Mutex};

use chrono::{TimeDelta, Utc};
use futures::{Stream, StreamExt};
use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::agent_server::{Agent, AgentServer};
use lockstep_proto::v1::join_server::{Join, JoinServer};
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_proto::v1::{
    AgentMessage, ChallengeRequest, ChallengeResponse, JoinRequest, JoinResponse, RenewRequest, ServerMessage,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use crate::authority::{Authority, CLUSTER};

pub(crate) const TOKEN: &str = "canary-token-5b1f6e";

/// What a test and its server share.
pub(crate) struct Shared {
    pub(crate) authority: Authority,
    /// How the next certificate stands to the present: not before, not after.
    pub(crate) validity: Mutex<(TimeDelta, TimeDelta)>,
    /// How many join answers are lost on the way.
    pub(crate) lost_answers: Mutex<u32>,
    /// CSRs seen, in order.
    pub(crate) requests: Mutex<Vec<Vec<u8>>>,
    /// Leaf certificates shown by agents, in order.
    pub(crate) shown: Mutex<Vec<Vec<u8>>>,
    pub(crate) nonce_signature: Mutex<Option<(Vec<u8>, Vec<u8>)>>,
    links: mpsc::UnboundedSender<Link>,
}

/// One stream, from the server's side.
pub(crate) struct Link {
    pub(crate) heard: Streaming<AgentMessage>,
    pub(crate) say: mpsc::UnboundedSender<Result<ServerMessage, Status>>,
}

/// Both listeners.
pub(crate) struct Server {
    pub(crate) shared: Arc<Shared>,
    pub(crate) agents: SocketAddr,
    pub(crate) join: SocketAddr,
    links: mpsc::UnboundedReceiver<Link>,
}

impl Link {
    pub(crate) fn say(&self, message: FromServer) {
        self.say.send(Ok(ServerMessage { message: Some(message) })).unwrap();
    }

    /// The next message that is not a heartbeat.
    pub(crate) async fn hear(&mut self) -> FromAgent {
        loop {
            match self.heard.message().await.unwrap().expect("the stream goes on").message.unwrap() {
                FromAgent::Heartbeat(_) => {}
                message => return message,
            }
        }
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        let (sender, links) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            authority: Authority::new(),
            validity: Mutex::new((TimeDelta::zero(), TimeDelta::days(7))),
            lost_answers: Mutex::new(0),
            requests: Mutex::default(),
            shown: Mutex::default(),
            nonce_signature: Mutex::default(),
            links: sender,
        });
        let (agents, incoming) = listen(&shared, true).await;
        let served = AgentServer::new(Service(shared.clone()));
        tokio::spawn(tonic::transport::Server::builder().add_service(served).serve_with_incoming(incoming));
        let (join, incoming) = listen(&shared, false).await;
        let served = JoinServer::new(Service(shared.clone()));
        tokio::spawn(tonic::transport::Server::builder().add_service(served).serve_with_incoming(incoming));
        Self { shared, agents, join, links }
    }

    pub(crate) async fn link(&mut self) -> Link {
        self.links.recv().await.unwrap()
    }
}

type Incoming = StdPin<Box<dyn Stream<Item = std::io::Result<tokio_rustls::server::TlsStream<tokio::net::TcpStream>>> + Send>>;

async fn listen(shared: &Arc<Shared>, mutual: bool) -> (SocketAddr, Incoming) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let builder = if mutual {
        let mut roots = RootCertStore::empty();
        roots.add(shared.authority.root.clone()).unwrap();
        builder.with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let (chain, key) = shared.authority.server();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shared = shared.clone();
    let incoming = TcpListenerStream::new(listener).filter_map(move |tcp| {
        let (acceptor, shared) = (acceptor.clone(), shared.clone());
        async move {
            let stream = acceptor.accept(tcp.ok()?).await.ok()?;
            if let Some(leaf) = stream.get_ref().1.peer_certificates().and_then(|c| c.first()) {
                shared.shown.lock().unwrap().push(leaf.to_vec());
            }
            Some(Ok(stream))
        }
    });
    (address, Box::pin(incoming))
}

struct Service(Arc<Shared>);

impl Service {
    fn issue(&self, csr_der: &[u8]) -> JoinResponse {
        let (before, after) = *self.0.validity.lock().unwrap();
        self.0.requests.lock().unwrap().push(csr_der.to_vec());
        let leaf = self.0.authority.agent(csr_der, Utc::now() + before, Utc::now() + after);
        JoinResponse {
            chain_der: vec![leaf],
            roots_der: vec![self.0.authority.root.to_vec()],
            cluster: CLUSTER.as_bytes().to_vec(),
            cluster_name: "one".to_owned(),
        }
    }
}

#[tonic::async_trait]
impl Agent for Service {
    type LinkStream = UnboundedReceiverStream<Result<ServerMessage, Status>>;

    async fn link(&self, request: Request<Streaming<AgentMessage>>) -> Result<Response<Self::LinkStream>, Status> {
        let (say, said) = mpsc::unbounded_channel();
        self.0.links.send(Link { heard: request.into_inner(), say }).map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(UnboundedReceiverStream::new(said)))
    }
}

#[tonic::async_trait]
impl Join for Service {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let request = request.into_inner();
        if request.token != TOKEN {
            return Err(Status::permission_denied("this token is not known or was used: ask for a new one"));
        }
        let answer = self.issue(&request.csr_der);
        let mut lost = self.0.lost_answers.lock().unwrap();
        if *lost > 0 {
            *lost -= 1;
            return Err(Status::unavailable("lost"));
        }
        Ok(Response::new(answer))
    }

    async fn challenge(&self, _: Request<ChallengeRequest>) -> Result<Response<ChallengeResponse>, Status> {
        Ok(Response::new(ChallengeResponse { nonce: b"nonce".to_vec() }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<JoinResponse>, Status> {
        let request = request.into_inner();
        *self.0.nonce_signature.lock().unwrap() = Some((request.nonce, request.signature));
        Ok(Response::new(self.issue(&request.csr_der)))
    }
}
