//! An agent that does what a test tells it, and shows the test what it was asked.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use lockstep_proto::node::object::Source;
use lockstep_proto::node::volumes_server::{Volumes, VolumesServer};
use lockstep_proto::node::{Entry, Object, ObjectContent, ReadRequest, ReadResponse};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// By binding's name or path.
pub(crate) type Content = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

/// What an agent holds and thinks.
#[derive(Default)]
pub(crate) struct Mind {
    pub(crate) content: Content,
    /// What it answers instead.
    pub(crate) refuses: Option<Status>,
    pub(crate) is_stale: bool,
    /// The node agent's own token, as it should be.
    pub(crate) own_token: String,
    /// The pod's.
    pub(crate) pod_token: String,
    /// All questions so far.
    pub(crate) asked: Vec<ReadRequest>,
}

/// One replica, until it is dropped.
pub(crate) struct Agent {
    pub(crate) address: SocketAddr,
    mind: Arc<Mutex<Mind>>,
    gate: watch::Sender<bool>,
    /// Of its own: with it go its connections too.
    runtime: Option<Runtime>,
}

impl Agent {
    pub(crate) fn start(tls: Arc<ServerConfig>, mind: Mind) -> Result<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), tls, mind)
    }

    pub(crate) fn start_at(address: SocketAddr, tls: Arc<ServerConfig>, mind: Mind) -> Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (mind, (gate, open)) = (Arc::new(Mutex::new(mind)), watch::channel(true));
        let service = VolumesServer::new(Service { mind: mind.clone(), open });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.spawn(serve(listener, TlsAcceptor::from(tls), service));
        Ok(Self { address, mind, gate, runtime: Some(runtime) })
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn mind(&self) -> MutexGuard<'_, Mind> {
        self.mind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it keep back its answers, or give them.
    pub(crate) fn answers(&self, does: bool) {
        self.gate.send_replace(does);
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: std::net::TcpListener, acceptor: TlsAcceptor, service: VolumesServer<Service>) -> Result<()> {
    let incoming = TcpListenerStream::new(TcpListener::from_std(listener)?)
        .then(move |tcp| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(tcp?).await }
        })
        // A handshake that fails is the other side's to tell.
        .filter(Result::is_ok);
    Ok(Server::builder().add_service(service).serve_with_incoming(incoming).await?)
}

struct Service {
    mind: Arc<Mutex<Mind>>,
    open: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl Volumes for Service {
    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<ReadResponse>, Status> {
        let bearer = request.metadata().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let answer = {
            let mut mind = self.mind.lock().unwrap_or_else(PoisonError::into_inner);
            mind.asked.push(request.get_ref().clone());
            mind.answer(&bearer, request.get_ref())
        };
        let closed = |_| Status::unavailable("the test is over");
        self.open.clone().wait_for(|open| *open).await.map_err(closed)?;
        answer.map(Response::new)
    }
}

impl Mind {
    fn answer(&self, bearer: &str, request: &ReadRequest) -> Result<ReadResponse, Status> {
        if let Some(status) = &self.refuses {
            return Err(status.clone());
        }
        if bearer != format!("Bearer {}", self.own_token) {
            return Err(Status::unauthenticated("the node agent's token is not one of this cluster"));
        }
        if request.pod_token != self.pod_token {
            return Err(Status::unauthenticated("the pod's token is not one of this cluster"));
        }
        let pod = request.pod.clone().unwrap_or_default();
        if (pod.namespace.as_str(), pod.service_account.as_str()) != ("shop", "checkout") {
            return Err(Status::permission_denied(format!("no binding gives it to service account {}", pod.service_account)));
        }
        let objects = request.objects.iter().map(|object| self.content(object)).collect::<Result<_, _>>()?;
        Ok(ReadResponse { objects })
    }

    fn content(&self, object: &Object) -> Result<ObjectContent, Status> {
        let Some(Source::Binding(name) | Source::Path(name)) = &object.source else {
            return Err(Status::invalid_argument("an object of nothing"));
        };
        let all =
            self.content.get(name).ok_or_else(|| Status::permission_denied(format!("no binding gives {name:?} to this pod")))?;
        let chosen = all.iter().filter(|(key, _)| object.key.is_empty() || **key == object.key);
        let entries: Vec<Entry> = chosen.map(|(key, value)| Entry { key: key.clone(), value: value.clone() }).collect();
        if entries.is_empty() {
            return Err(Status::invalid_argument(format!("{name:?} has no key {:?}", object.key)));
        }
        let mut hasher = DefaultHasher::new();
        for entry in &entries {
            (&entry.key, &entry.value).hash(&mut hasher);
        }
        Ok(ObjectContent { version: format!("{:016x}", hasher.finish()), entries, stale: self.is_stale })
    }
}
