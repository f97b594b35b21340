//! Two replicas of one agent: one works, the other stands by and follows it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use lockstep_agent::clock::SystemClock;
use lockstep_agent::command::RunArguments;
use lockstep_agent::run::run;
use lockstep_proto::node::volumes_client::VolumesClient;
use lockstep_proto::node::{Pod, ReadResponse};
use lockstep_testbed::{port, wait};
use prometheus::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::fixture::{Running, write_private};
use crate::server::Link;
use crate::site::{AUDIENCE, PATIENCE, Site, of_binding, read};

pub(crate) struct Two {
    pub(crate) site: Site,
    pub(crate) link: Link,
    running: Option<Running>,
    /// Of the one that works.
    pub(crate) client: VolumesClient<Channel>,
    at: SocketAddr,
    node_token: String,
    pod: Pod,
    token: String,
}

/// The one that stands by.
pub(crate) struct Standby {
    running: Running,
    pub(crate) metrics: Registry,
    pub(crate) client: VolumesClient<Channel>,
    probe: SocketAddr,
}

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port::free().unwrap()))
}

impl Two {
    /// The one that works, linked, with what else is told of it.
    pub(crate) async fn start(change: impl FnOnce(&mut RunArguments)) -> Self {
        let mut site = Site::new().await;
        let folder = site.fixture.folder.path().to_owned();
        let peer_token = folder.join("peer.token");
        write_private(&peer_token, &site.kubernetes.token(&site.home, "agent", &[AUDIENCE]).await.unwrap());
        let arguments = &mut site.fixture.arguments;
        arguments.cache.dir = Some(folder.join("cache-0"));
        arguments.volumes.server_names.push("localhost".to_owned());
        arguments.volumes.peer_token_file = Some(peer_token);
        // Nobody: it works itself.
        arguments.volumes.peer = Some("https://localhost:1".parse().unwrap());
        change(arguments);
        let (running, link, client) = site.open().await;
        let at = site.fixture.arguments.volumes.listen.unwrap();
        let pod = site.pod(&site.shop, "web-1", "web", &site.nodes[0]).await;
        let (node_token, token) = (site.node_token(0).await, site.token(&pod, AUDIENCE).await);
        Self { site, link, running: Some(running), client, at, node_token, pod, token }
    }

    /// Starts the other one.
    pub(crate) async fn beside(&self, change: impl FnOnce(&mut RunArguments)) -> Standby {
        let (mut arguments, address, probe) = (self.site.fixture.arguments.clone(), local(), local());
        arguments.cluster.pod_name = Some("agent-beside".to_owned());
        arguments.metrics_listen = Some(probe);
        arguments.volumes.listen = Some(address);
        arguments.volumes.peer = Some(format!("https://localhost:{}", self.at.port()).parse().unwrap());
        arguments.cache.dir = Some(self.cache(1));
        change(&mut arguments);
        let (stop, metrics) = (CancellationToken::new(), Registry::new());
        let ended = tokio::spawn(run(arguments, Arc::new(SystemClock::start()), metrics.clone(), stop.clone()));
        let running = Running { stop, ended };
        Standby { running, metrics, client: self.site.client(address).await, probe }
    }

    pub(crate) fn cache(&self, replica: usize) -> PathBuf {
        self.site.fixture.folder.path().join(format!("cache-{replica}"))
    }

    /// The file of a binding there.
    pub(crate) fn file(&self, replica: usize, binding: Uuid) -> PathBuf {
        self.cache(replica).join(format!("{binding}.sealed"))
    }

    /// What that replica gives the pod of a binding: the password, or why not.
    pub(crate) async fn ask(&self, client: &VolumesClient<Channel>, binding: &str) -> Result<String, Status> {
        let ReadResponse { objects } =
            read(client, &self.node_token, &self.pod, &self.token, vec![of_binding(binding, "PASSWORD")]).await?;
        Ok(String::from_utf8(objects[0].entries[0].value.clone()).unwrap())
    }

    /// Waits until that one gives it.
    pub(crate) async fn given(&self, client: &VolumesClient<Channel>, binding: &str, want: &str) {
        let asked = async || match self.ask(client, binding).await {
            Ok(found) if found.ends_with(want) => Ok(()),
            Ok(_) => Err("another one".to_owned()),
            Err(status) => Err(status.to_string()),
        };
        wait::until(&format!("{want} to be given"), PATIENCE, asked).await.unwrap();
    }

    /// Waits until that one does not, because it does not have it.
    pub(crate) async fn not_given(&self, client: &VolumesClient<Channel>, binding: &str) {
        let asked = async || match self.ask(client, binding).await {
            Ok(_) => Err("it is given".to_owned()),
            Err(status) if status.message().contains("stands by, and does not have it") => Ok(()),
            Err(status) => Err(status.to_string()),
        };
        wait::until("it not to be given", PATIENCE, asked).await.unwrap();
    }

    /// Ends both, and makes sure that nothing was logged that may not be.
    pub(crate) async fn end(mut self, standby: Standby) {
        standby.running.end().await.unwrap();
        self.site.nothing_shown(&[&self.node_token, &self.token]);
        drop(self.link);
        self.running.take().unwrap().end().await.unwrap();
    }
}

impl Standby {
    /// Waits until it is ready, or is not for that reason.
    pub(crate) async fn answers(&self, status: u16, part: &str) {
        let look = async || match self.readiness().await {
            Some((code, text)) if code == status && text.contains(part) => Ok(()),
            answer => Err(format!("{answer:?}")),
        };
        wait::until(&format!("/readyz to answer {status} {part}"), PATIENCE, look).await.unwrap();
    }

    async fn readiness(&self) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.probe).await.ok()?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// A counter's value.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let families = self.metrics.gather();
        let family = families.iter().find(|f| f.name() == name).expect("the metric is registered");
        family.get_metric().iter().map(|m| m.get_counter().get_value()).sum()
    }

    /// The loops that are judged.
    pub(crate) fn judged(&self) -> Vec<String> {
        let families = self.metrics.gather();
        let limits = families.iter().filter(|f| f.name() == "lockstep_agent_loop_standstill_limit_seconds");
        limits.flat_map(|f| f.get_metric().iter().map(|m| m.get_label()[0].value().to_owned())).collect()
    }
}
