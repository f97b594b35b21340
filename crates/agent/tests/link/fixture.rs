//! An agent in this process, and messages for it.
#![expect(clippy::unnecessary_wraps, reason = "fields of messages are optional")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lockstep_agent::agent::AgentError;
use lockstep_agent::clock::SystemClock;
use lockstep_agent::command::{CacheArguments, KubernetesArguments, LogFormat, RunArguments, SecretAccess, VolumesArguments};
use lockstep_agent::run::run;
use lockstep_core::digest::{ClusterKey, Digest, DigestKeyId};
use lockstep_core::history::{ChangeHash, Mark};
use lockstep_core::material::Material;
use lockstep_core::render::Rendered;
use lockstep_core::revision::{Epoch, Revision, Seq};
use lockstep_proto::convert::entries;
use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_proto::v1::{self, Hello, Limits, Put, Welcome};
use prometheus::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::server::{Link, Server, TOKEN};

pub(crate) const REGISTRY: Uuid = Uuid::from_u128(0x4e9);
pub(crate) const BINDING: Uuid = Uuid::from_u128(0xb1);
/// Ten times what anything here should take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Fixture {
    pub(crate) server: Server,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) metrics: Registry,
    pub(crate) arguments: RunArguments,
}

pub(crate) struct Running {
    pub(crate) stop: CancellationToken,
    pub(crate) ended: JoinHandle<Result<(), AgentError>>,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let server = Server::start().await;
        let folder = tempfile::tempdir().unwrap();
        let token_file = folder.path().join("token");
        write_private(&token_file, &format!("{TOKEN}\n"));
        let arguments = RunArguments {
            state_dir: Some(folder.path().join("state")),
            directory_root: Some(folder.path().join("root")),
            cluster: KubernetesArguments {
                kubernetes: false,
                kubeconfig: None,
                namespace: None,
                pod_name: None,
                state_secret: String::new(),
                lease: String::new(),
                lease_duration_seconds: 15,
                secret_access: SecretAccess::Names,
                restart_budget: 3,
                keep_older_seconds: 0,
            },
            volumes: VolumesArguments::default(),
            cache: CacheArguments::default(),
            servers: vec![format!("https://{}", server.agents).parse().unwrap()],
            join_servers: vec![format!("https://{}", server.join).parse().unwrap()],
            token_file: Some(token_file),
            pin: Some(server.shared.authority.pin),
            cluster_name: String::new(),
            identity_token_files: Vec::new(),
            metrics_listen: None,
            otlp_endpoint: None,
            otlp_ca_file: None,
            lease_term: 0,
            log_format: LogFormat::Json,
        };
        Self { server, folder, metrics: Registry::new(), arguments }
    }

    pub(crate) fn start(&mut self) -> Running {
        self.metrics = Registry::new();
        let stop = CancellationToken::new();
        let clock = Arc::new(SystemClock::start());
        let ended = tokio::spawn(run(self.arguments.clone(), clock, self.metrics.clone(), stop.clone()));
        Running { stop, ended }
    }

    /// The next link, greeted.
    pub(crate) async fn linked(&mut self) -> (Link, Hello) {
        let mut link = tokio::time::timeout(PATIENCE, self.server.link()).await.expect("the agent links");
        let FromAgent::Hello(hello) = link.hear().await else { panic!("the first message is Hello") };
        link.say(FromServer::Welcome(welcome(REGISTRY)));
        (link, hello)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn target(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path)
    }

    /// Waits until these are the loops that are judged.
    pub(crate) async fn judges(&self, wanted: &[&str]) {
        let judged = || {
            let families = self.metrics.gather();
            let limits = families.iter().filter(|f| f.name() == "lockstep_agent_loop_standstill_limit_seconds");
            limits.flat_map(|f| f.get_metric().iter().map(|m| m.get_label()[0].value().to_owned())).collect::<Vec<_>>()
        };
        let what = format!("the loops {wanted:?} to be judged");
        lockstep_testbed::wait::until(&what, PATIENCE, async || judged() == wanted).await.unwrap();
    }

    /// A metric's value as it is shown, all labels together.
    pub(crate) fn metric(&self, name: &str) -> String {
        let families = self.metrics.gather();
        let family = families.iter().find(|f| f.name() == name).expect("the metric is registered");
        family.get_metric().iter().map(|m| m.get_counter().get_value() + m.get_gauge().get_value()).sum::<f64>().to_string()
    }
}

/// A file that its owner reads only.
pub(crate) fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

impl Running {
    pub(crate) async fn end(self) -> Result<(), AgentError> {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.ended).await.expect("the agent ends").unwrap()
    }
}

pub(crate) fn welcome(registry: Uuid) -> Welcome {
    Welcome {
        epoch: 1,
        digest_key: key().id.as_str().to_owned(),
        digest_key_bytes: key().expose().to_vec(),
        limits: Some(Limits { heartbeat_interval_ms: 5_000, in_flight: 8, verify_interval_ms: 50 }),
        registry: registry.as_bytes().to_vec(),
        held: String::new(),
    }
}

pub(crate) fn key() -> ClusterKey {
    ClusterKey::new(DigestKeyId::new("k1".to_owned()), [7; 32])
}

pub(crate) fn content(pairs: &[(&str, &str)]) -> Rendered {
    Rendered::of(pairs.iter().map(|(k, v)| ((*k).to_owned(), Material::new(v.as_bytes().to_vec())))).unwrap()
}

pub(crate) fn digest(content: &Rendered) -> Option<v1::Digest> {
    Some(Digest::into(key().digest(content)))
}

pub(crate) fn revision(seq: u64) -> Option<v1::Revision> {
    Some(Revision { epoch: Epoch::new(1), seq: Seq::new(seq) }.into())
}

pub(crate) fn head(seq: u64) -> Option<v1::Mark> {
    Some(Mark { epoch: Epoch::new(1), seq: Seq::new(seq), hash: ChangeHash::new([3; 32]) }.into())
}

pub(crate) fn put(seq: u64, target: &str, content: &Rendered) -> Put {
    let directory = v1::target::Target::Directory(v1::DirectoryTarget { name: target.to_owned() });
    Put {
        binding: BINDING.as_bytes().to_vec(),
        binding_name: "checkout-db".to_owned(),
        revision: revision(seq),
        head: head(seq),
        target: Some(v1::Target { target: Some(directory) }),
        content: entries(content),
        digest: digest(content),
        trace: vec![9; 16],
        ..Put::default()
    }
}
