//! A namespace with a service account for agents, and a server for them to dial.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lockstep_proto::v1::Hello;
use lockstep_testbed::{Kubernetes, Process, port};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::fixture::Fixture;
use crate::server::Link;

/// Short, for the tests' sake; still long enough for a busy machine to renew it.
pub(crate) const LEASE_SECONDS: u64 = 6;
/// Ten times what anything here should take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Cluster {
    pub(crate) fixture: Fixture,
    pub(crate) kubernetes: &'static Kubernetes,
    pub(crate) namespace: String,
    kubeconfig: PathBuf,
}

pub(crate) struct Agent {
    pub(crate) process: Process,
    metrics: u16,
}

impl Cluster {
    pub(crate) async fn new() -> Self {
        let kubernetes = Kubernetes::shared().await.unwrap();
        let namespace = format!("agent-{}", Uuid::new_v4().simple());
        kubernetes.create_namespace(&namespace).await.unwrap();
        kubernetes.create_service_account(&namespace, "agent").await.unwrap();
        let kubeconfig = kubernetes.kubeconfig_for(&kubernetes.token(&namespace, "agent", &[]).await.unwrap()).unwrap();
        Self { fixture: Fixture::new().await, kubernetes, namespace, kubeconfig }
    }

    /// Lets the service account do what agents need for themselves, and nothing else.
    pub(crate) async fn allow(&self) {
        let role = json!({
            "metadata": { "name": "agent" },
            "rules": [
                {
                    "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["lockstep-agent", "lockstep-agent-held"],
                    "verbs": ["get", "create", "patch"],
                },
                {
                    "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["lockstep-agent"],
                    "verbs": ["get", "create", "patch", "update"],
                },
            ],
        });
        let binding = json!({
            "metadata": { "name": "agent" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "agent" },
            "subjects": [{ "kind": "ServiceAccount", "namespace": self.namespace, "name": "agent" }],
        });
        let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}", self.namespace);
        self.kubernetes.request("POST", &format!("{path}/roles"), Some(role)).await.unwrap();
        self.kubernetes.request("POST", &format!("{path}/rolebindings"), Some(binding)).await.unwrap();
    }

    /// Starts an agent as the pod `pod`.
    pub(crate) fn start(&self, pod: &str) -> Agent {
        let (arguments, metrics) = (&self.fixture.arguments, port::free().unwrap());
        let mut command = self.command("run", pod);
        command
            .args(["--lease-duration-seconds", &LEASE_SECONDS.to_string()])
            .args(["--metrics-listen", &format!("127.0.0.1:{metrics}")])
            .arg("--directory-root")
            .arg(self.fixture.target(""))
            .args(["--server", &arguments.servers[0].to_string(), "--join", &arguments.join_servers[0].to_string()])
            .arg("--token-file")
            .arg(arguments.token_file.clone().unwrap())
            .args(["--pin", &arguments.pin.unwrap().to_string()]);
        Agent { process: Process::spawn(pod, command, self.fixture.folder.path()).unwrap(), metrics }
    }

    /// A command with what every one of them needs here.
    pub(crate) fn command(&self, action: &str, pod: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep-agent"));
        command.args([action, "--kubernetes", "--namespace", &self.namespace, "--pod-name", pod]);
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        command
    }

    pub(crate) async fn linked(&mut self) -> (Link, Hello) {
        tokio::time::timeout(PATIENCE, self.fixture.linked()).await.expect("an agent links")
    }

    /// An object of the namespace as it is now.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.kubernetes.request("GET", &self.path(path), None).await.unwrap()
    }

    pub(crate) fn path(&self, path: &str) -> String {
        let (group, rest) = path.split_once(':').unwrap_or(("api/v1", path));
        format!("/{group}/namespaces/{}/{rest}", self.namespace)
    }

    pub(crate) async fn lease(&self) -> Value {
        self.get("apis/coordination.k8s.io/v1:leases/lockstep-agent").await["spec"].clone()
    }

    /// What is in a Secret, by key; what is compressed, uncompressed.
    pub(crate) async fn secret(&self, name: &str) -> BTreeMap<String, String> {
        let secret = self.get(&format!("secrets/{name}")).await;
        let data = secret["data"].as_object().cloned().unwrap_or_default();
        let text = |(key, value): (String, Value)| {
            let bytes = BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
            let mut text = String::new();
            if key == "held.json.gz" {
                flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
            } else {
                text = String::from_utf8(bytes).unwrap();
            }
            (key, text)
        };
        data.into_iter().map(text).collect()
    }

    /// What is written down of what is held, once it says `part`.
    pub(crate) async fn held_says(&self, part: &str) -> String {
        lockstep_testbed::wait::until("what is held to be written down", PATIENCE, async || {
            self.secret("lockstep-agent-held").await.remove("held.json.gz").filter(|text| text.contains(part))
        })
        .await
        .unwrap()
    }
}

impl Agent {
    /// What a path of the probe listener answers: status and text.
    pub(crate) async fn probe(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.metrics)).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Waits until it is, or is not, ready for that reason.
    pub(crate) async fn answers(&self, status: u16, part: &str) {
        let awaited = format!("/readyz to answer {status} {part}");
        let look = async || self.probe("/readyz").await.filter(|(code, text)| *code == status && text.contains(part));
        self.process.until(&awaited, PATIENCE, look).await.unwrap();
    }

    /// The loops that are judged.
    pub(crate) async fn judged(&self) -> Vec<String> {
        let (_, text) = self.probe("/metrics").await.unwrap();
        let limits = text.lines().filter_map(|line| line.strip_prefix("lockstep_agent_loop_standstill_limit_seconds{loop=\""));
        limits.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
    }

    pub(crate) async fn metric(&self, name: &str) -> String {
        let (_, text) = self.probe("/metrics").await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("it is there");
        line.trim().to_owned()
    }
}
