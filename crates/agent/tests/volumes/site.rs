//! Two nodes with their agents, a namespace with pods, and an agent that may do just what its chart must let it do.

use std::net::SocketAddr;
use std::time::Duration;

use lockstep_agent::command::VolumesArguments;
use lockstep_proto::node::object::Source;
use lockstep_proto::node::volumes_client::VolumesClient;
use lockstep_proto::node::{Object, Pod, ReadRequest, ReadResponse};
use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_proto::v1::{self, CsiSource, CsiTarget, Put};
use lockstep_testbed::{Kubernetes, port, wait};
use serde_json::{Value, json};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};
use uuid::Uuid;

use crate::capture::{self, Lines};
use crate::fixture::{BINDING, Fixture, Running, content, put};
use crate::server::Link;

/// Ten times what anything here should take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const CANARY: &str = "canary-7a2e";
pub(crate) const AUDIENCE: &str = "lockstep";
const CA_SECRET: &str = "lockstep-agent-volumes-ca";
const CA_CONFIG_MAP: &str = "lockstep-agent-volumes";

pub(crate) struct Site {
    pub(crate) fixture: Fixture,
    pub(crate) kubernetes: &'static Kubernetes,
    /// The agent's namespace, and its node agents'.
    pub(crate) home: String,
    /// Of the pods.
    pub(crate) shop: String,
    pub(crate) nodes: [String; 2],
    pub(crate) log: &'static Lines,
}

impl Site {
    /// Everything but an agent.
    pub(crate) async fn new() -> Self {
        Self::of(Kubernetes::shared().await.unwrap()).await
    }

    /// The same in another cluster.
    pub(crate) async fn of(kubernetes: &'static Kubernetes) -> Self {
        let log = capture::begin();
        let id = Uuid::new_v4().simple().to_string();
        let (home, shop) = (format!("home-{id}"), format!("shop-{id}"));
        let nodes = [format!("n1-{id}"), format!("n2-{id}")];
        for namespace in [&home, &shop] {
            kubernetes.create_namespace(namespace).await.unwrap();
        }
        for (namespace, account) in
            [(&home, "agent"), (&home, "lockstep-node"), (&shop, "web"), (&shop, "other"), (&shop, "lockstep-node")]
        {
            kubernetes.create_service_account(namespace, account).await.unwrap();
        }
        for node in &nodes {
            let object = json!({ "metadata": { "name": node } });
            kubernetes.request("POST", "/api/v1/nodes", Some(object)).await.unwrap();
        }
        allow(kubernetes, &home).await;
        let mut fixture = Fixture::new().await;
        let arguments = &mut fixture.arguments;
        (arguments.state_dir, arguments.directory_root) = (None, None);
        let cluster = &mut arguments.cluster;
        cluster.kubernetes = true;
        // Long: an API server that all these tests share may keep an agent waiting.
        cluster.lease_duration_seconds = 120;
        (cluster.state_secret, cluster.lease) = ("lockstep-agent".to_owned(), "lockstep-agent".to_owned());
        (cluster.namespace, cluster.pod_name) = (Some(home.clone()), Some("agent".to_owned()));
        let token = kubernetes.token(&home, "agent", &[]).await.unwrap();
        cluster.kubeconfig = Some(kubernetes.kubeconfig_for(&token).unwrap());
        arguments.volumes = VolumesArguments {
            listen: None,
            server_names: vec!["other.example".to_owned(), server_name(&home)],
            node_service_account: "lockstep-node".to_owned(),
            node_requests: 32,
            ca_secret: CA_SECRET.to_owned(),
            ca_config_map: CA_CONFIG_MAP.to_owned(),
            peer: None,
            peer_token_file: None,
        };
        Self { fixture, kubernetes, home, shop, nodes, log }
    }

    /// Starts a replica; where it serves.
    pub(crate) fn start(&mut self) -> (Running, SocketAddr) {
        let address = SocketAddr::from(([127, 0, 0, 1], port::free().unwrap()));
        self.fixture.arguments.volumes.listen = Some(address);
        (self.fixture.start(), address)
    }

    /// A replica that leads and is linked, and a client of its listener.
    pub(crate) async fn open(&mut self) -> (Running, Link, VolumesClient<Channel>) {
        let (running, address) = self.start();
        let linked = tokio::time::timeout(PATIENCE, self.fixture.linked());
        let (link, hello) = linked.await.expect("the agent links");
        assert!(hello.sinks.contains(&"csi".to_owned()), "{:?}", hello.sinks);
        (running, link, self.client(address).await)
    }

    /// What `link` sends for service account `web`: `USER` and `PASSWORD` of `kv/db`, and waits until it is there.
    pub(crate) async fn deliver(&self, link: &mut Link, seq: u64, password: &str) {
        self.deliver_as(link, BINDING, "checkout-db", seq, password).await;
    }

    /// The same as another binding.
    pub(crate) async fn deliver_as(&self, link: &mut Link, binding: Uuid, name: &str, seq: u64, password: &str) {
        let password = format!("{CANARY}-{password}");
        let content = content(&[("USER", "canary-7a2e-app"), ("PASSWORD", &password)]);
        let keys = [("user", "USER"), ("password", "PASSWORD")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let source = CsiSource { paths: vec!["kv/data/db".to_owned(), "kv/db".to_owned()], keys: keys.into() };
        let target =
            CsiTarget { namespaces: vec![self.shop.clone()], service_accounts: vec!["web".to_owned()], sources: vec![source] };
        let target = Some(v1::Target { target: Some(v1::target::Target::Csi(target)) });
        let (binding, binding_name) = (binding.as_bytes().to_vec(), name.to_owned());
        link.say(FromServer::Put(Put { target, binding, binding_name, ..put(seq, "", &content) }));
        let heard = tokio::time::timeout(PATIENCE, link.hear()).await.expect("an answer");
        assert!(matches!(heard, FromAgent::Ack(_)), "{heard:?}");
    }

    /// What is published, once it is.
    pub(crate) async fn bundle(&self) -> String {
        let path = format!("/api/v1/namespaces/{}/configmaps/{CA_CONFIG_MAP}", self.home);
        let published = async || {
            let found = self.kubernetes.request("GET", &path, None).await.ok()?;
            Some(found["data"]["ca.crt"].as_str()?.to_owned())
        };
        wait::until("the CA to be published", PATIENCE, published).await.unwrap()
    }

    /// Somebody writes something else there.
    pub(crate) async fn tamper(&self, change: Value) {
        let path = format!("/api/v1/namespaces/{}/configmaps/{CA_CONFIG_MAP}", self.home);
        self.kubernetes.request("PATCH", &path, Some(change)).await.unwrap();
    }

    /// The path of the keys' Secret.
    pub(crate) fn keys(&self) -> String {
        format!("/api/v1/namespaces/{}/secrets/{CA_SECRET}", self.home)
    }

    /// A client that trusts what is published, once the replica has a certificate.
    pub(crate) async fn client(&self, address: SocketAddr) -> VolumesClient<Channel> {
        let bundle = self.bundle().await;
        let connected = async || connect(address, &bundle, &server_name(&self.home)).await.ok();
        VolumesClient::new(wait::until("the listener", PATIENCE, connected).await.unwrap())
    }

    /// Makes a pod of that service account on that node.
    pub(crate) async fn pod(&self, namespace: &str, name: &str, account: &str, node: &str) -> Pod {
        let pod = json!({
            "metadata": { "name": name },
            "spec": { "serviceAccountName": account, "nodeName": node, "containers": [{ "name": "c", "image": "none" }] },
        });
        let made = self.kubernetes.request("POST", &format!("/api/v1/namespaces/{namespace}/pods"), Some(pod)).await.unwrap();
        Pod {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: made["metadata"]["uid"].as_str().unwrap().to_owned(),
            service_account: account.to_owned(),
        }
    }

    pub(crate) async fn delete(&self, pod: &Pod) {
        let path = format!("/api/v1/namespaces/{}/pods/{}?gracePeriodSeconds=0", pod.namespace, pod.name);
        self.kubernetes.request("DELETE", &path, None).await.unwrap();
    }

    /// A token of a pod, as kubelet asks for one.
    pub(crate) async fn token(&self, pod: &Pod, audience: &str) -> String {
        let bound = json!({ "kind": "Pod", "apiVersion": "v1", "name": pod.name, "uid": pod.uid });
        let request = json!({ "spec": { "audiences": [audience], "expirationSeconds": 600, "boundObjectRef": bound } });
        let path = format!("/api/v1/namespaces/{}/serviceaccounts/{}/token", pod.namespace, pod.service_account);
        let answer = self.kubernetes.request("POST", &path, Some(request)).await.unwrap();
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    /// A token of the agent of a node.
    pub(crate) async fn node_token(&self, node: usize) -> String {
        let pod = self.pod(&self.home, &format!("agent-{node}"), "lockstep-node", &self.nodes[node]).await;
        self.token(&pod, AUDIENCE).await
    }

    /// Makes sure that nothing was logged that may not be.
    pub(crate) fn nothing_shown(&self, tokens: &[&str]) {
        let log = self.log.text();
        for secret in tokens.iter().map(|token| token.rsplit('.').next().unwrap()).chain([CANARY, "PRIVATE KEY"]) {
            let at = log.find(secret);
            assert!(at.is_none(), "shown: …{}", &log[at.unwrap().saturating_sub(300)..at.unwrap()]);
        }
    }
}

/// Asks as the node agent with `node_token` does.
pub(crate) async fn read(
    client: &VolumesClient<Channel>,
    node_token: &str,
    pod: &Pod,
    pod_token: &str,
    objects: Vec<Object>,
) -> Result<ReadResponse, Status> {
    let mut request = Request::new(ReadRequest { pod: Some(pod.clone()), pod_token: pod_token.to_owned(), objects });
    if !node_token.is_empty() {
        request.metadata_mut().insert("authorization", format!("Bearer {node_token}").parse().unwrap());
    }
    client.clone().read(request).await.map(tonic::Response::into_inner)
}

pub(crate) fn of_binding(name: &str, key: &str) -> Object {
    Object { source: Some(Source::Binding(name.to_owned())), key: key.to_owned() }
}

pub(crate) fn of_path(path: &str, key: &str) -> Object {
    Object { source: Some(Source::Path(path.to_owned())), key: key.to_owned() }
}

pub(crate) async fn connect(address: SocketAddr, bundle: &str, name: &str) -> Result<Channel, tonic::transport::Error> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(bundle)).domain_name(name);
    Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls)?.connect().await
}

pub(crate) fn server_name(home: &str) -> String {
    format!("lockstep-agent-volumes.{home}.svc")
}

/// What the chart must let the agent do, and nothing else.
async fn allow(kubernetes: &Kubernetes, home: &str) {
    let of_home = json!([
        {
            "apiGroups": [""], "resources": ["secrets"],
            "resourceNames": ["lockstep-agent", "lockstep-agent-held", CA_SECRET], "verbs": ["get", "create", "patch"],
        },
        { "apiGroups": [""], "resources": ["configmaps"], "resourceNames": [CA_CONFIG_MAP], "verbs": ["get", "create", "patch"] },
        {
            "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["lockstep-agent"],
            "verbs": ["get", "create", "patch", "update"],
        },
    ]);
    let of_cluster = json!([{ "apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"] }]);
    let root = "/apis/rbac.authorization.k8s.io/v1";
    for (path, kind, rules) in
        [(format!("{root}/namespaces/{home}/role"), "Role", of_home), (format!("{root}/clusterrole"), "ClusterRole", of_cluster)]
    {
        let role = json!({ "metadata": { "name": home }, "rules": rules });
        let binding = json!({
            "metadata": { "name": home },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": home },
            "subjects": [{ "kind": "ServiceAccount", "namespace": home, "name": "agent" }],
        });
        kubernetes.request("POST", &format!("{path}s"), Some(role)).await.unwrap();
        kubernetes.request("POST", &format!("{path}bindings"), Some(binding)).await.unwrap();
    }
}
