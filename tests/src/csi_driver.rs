//! What the Secrets Store CSI driver (1.6) does with a provider, as far as a provider sees it. Written from the contract's field numbers and from what
//! the driver is known to send and to refuse.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hyper_util::rt::TokioIo;
use lockstep_proto::provider::csi_driver_provider_client::CsiDriverProviderClient;
use lockstep_proto::provider::{MountRequest, MountResponse, VersionRequest, VersionResponse};
use serde_json::{Map, Value, json};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Status};

/// Of the gRPC library that the driver uses, which it does not change.
const ANSWER_MAX_BYTES: usize = 4 << 20;

/// One driver, on one node.
pub struct Driver {
    client: CsiDriverProviderClient<Channel>,
}

/// A pod, as kubelet tells the driver of it.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its service account.
    pub service_account: String,
    /// Tokens of it, by audience: what the CSIDriver object's tokenRequests ask for.
    pub tokens: BTreeMap<String, String>,
}

/// A SecretProviderClass: its `spec.parameters`.
#[derive(Debug, Clone, Default)]
pub struct Class(pub BTreeMap<String, String>);

/// A volume as the driver writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// By path below the volume.
    pub files: BTreeMap<String, (i32, Vec<u8>)>,
    /// By object: in the pod's SecretProviderClassPodStatus.
    pub versions: BTreeMap<String, String>,
}

impl Class {
    /// One with these objects and nothing else.
    pub fn of(objects: &str) -> Self {
        Self::default().with("objects", objects)
    }

    /// The same with another parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }
}

impl Driver {
    /// Uses the provider whose socket is in this folder.
    pub fn of(providers_dir: &Path) -> Self {
        let socket: PathBuf = providers_dir.join("lockstep.sock");
        let connector = tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector);
        Self { client: CsiDriverProviderClient::new(channel).max_decoding_message_size(ANSWER_MAX_BYTES) }
    }

    /// Asks who the provider is.
    pub async fn version(&self) -> Result<VersionResponse, Status> {
        let answer = self.client.clone().version(VersionRequest { version: "v1alpha1".to_owned() }).await?;
        Ok(answer.into_inner())
    }

    /// Mounts, or looks for new content: the driver asks the same again at each republish.
    pub async fn mount(&self, pod: &Pod, class: &Class) -> Result<Mounted, Status> {
        let request = MountRequest {
            attributes: attributes(pod, class),
            secrets: "null".to_owned(),
            target_path: format!("/var/lib/kubelet/pods/{}/volumes/kubernetes.io~csi/secrets/mount", pod.uid),
            // 0644, as the driver writes it.
            permission: "420".to_owned(),
            current_object_version: Vec::new(),
        };
        accepted(self.client.clone().mount(request).await?.into_inner())
    }
}

fn attributes(pod: &Pod, class: &Class) -> String {
    let mut attributes: Map<String, Value> = class.0.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    for (name, value) in [
        ("ephemeral", "true"),
        ("pod.name", &pod.name),
        ("pod.namespace", &pod.namespace),
        ("pod.uid", &pod.uid),
        ("serviceAccount.name", &pod.service_account),
    ] {
        attributes.insert(format!("csi.storage.k8s.io/{name}"), json!(value));
    }
    attributes.insert("secretProviderClass".to_owned(), json!("secrets"));
    if !pod.tokens.is_empty() {
        let token = |(audience, token): (&String, &String)| {
            (audience.clone(), json!({ "token": token, "expirationTimestamp": "2030-01-01T00:00:00Z" }))
        };
        let tokens: Map<String, Value> = pod.tokens.iter().map(token).collect();
        let tokens = Value::Object(tokens).to_string();
        attributes.insert("csi.storage.k8s.io/serviceAccount.tokens".to_owned(), json!(tokens));
    }
    Value::Object(attributes).to_string()
}

/// What the driver itself refuses.
fn accepted(answer: MountResponse) -> Result<Mounted, Status> {
    let refused = |why: String| Err(Status::new(Code::Internal, format!("the driver: {why}")));
    if let Some(error) = answer.error.filter(|error| !error.code.is_empty()) {
        return refused(format!("error {}", error.code));
    }
    if answer.object_version.is_empty() {
        return refused("no object versions".to_owned());
    }
    let mut files = BTreeMap::new();
    for file in answer.files {
        let leads_elsewhere = file.path.starts_with('/') || file.path.split('/').any(|name| name == "..");
        if file.path.is_empty() || leads_elsewhere || !(0..=0o777).contains(&file.mode) {
            return refused(format!("file {:?} of mode {:o}", file.path, file.mode));
        }
        if files.insert(file.path.clone(), (file.mode, file.contents)).is_some() {
            return refused(format!("file {:?} twice", file.path));
        }
    }
    let versions = answer.object_version.into_iter().map(|object| (object.id, object.version)).collect();
    Ok(Mounted { files, versions })
}
