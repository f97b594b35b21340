//! The Secrets Store CSI driver itself, built from its released source, and its kubelet: requests to mount and to mount again.
//!
//! Its logger is the one thing that is not its own (`tools/csi-driver/mlog`). It runs in a mount namespace of its own, so what it mounts
//! goes with it, and is read through `/proc`.

mod csi;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::fetch::{self, GoTool};
use crate::process::Spec;
use crate::{Folder, Kubernetes, Process, executable};

const START_LIMIT: Duration = Duration::from_mins(1);
const CLASSES: &str = "/apis/secrets-store.csi.x-k8s.io/v1";

const DRIVER: GoTool = GoTool {
    name: "secrets-store-csi-driver",
    folder: "secrets-store-csi-driver-1.6.0",
    package: "sigs.k8s.io/secrets-store-csi-driver/cmd/secrets-store-csi-driver",
    definitions: &[],
    module: (include_str!("../tools/csi-driver/go.mod"), include_str!("../tools/csi-driver/go.sum")),
    files: &[
        ("mlog/go.mod", include_str!("../tools/csi-driver/mlog/go.mod")),
        ("mlog/mlog.go", include_str!("../tools/csi-driver/mlog/mlog.go")),
    ],
    takes: "3 minutes",
};

/// A driver on one node; ends when this is dropped.
#[derive(Debug)]
pub struct CsiDriver {
    process: Process,
    node: String,
    endpoint: PathBuf,
    folder: Folder,
}

/// A pod's volume, as its kubelet asks for it.
#[derive(Debug, Clone)]
pub struct PodVolume {
    /// The pod's namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// Its uid.
    pub uid: String,
    /// Its service account.
    pub service_account: String,
    /// The SecretProviderClass.
    pub class: String,
    /// The tokens that the CSIDriver object asks for: by audience.
    pub tokens: BTreeMap<String, String>,
}

impl CsiDriver {
    /// Starts it on this node with providers below `providers`. Nothing is kept back from a provider: it asks again at each request.
    pub async fn start(kubernetes: &Kubernetes, node: &str, providers: &Path) -> Result<Self> {
        let program = tokio::task::spawn_blocking(|| fetch::go_tool(&DRIVER)).await??;
        install_definitions(kubernetes).await?;
        let folder = Folder::new("csi-driver")?;
        let endpoint = folder.path().join("csi.sock");
        // Root needs no user namespace to mount, and nobody else can without one.
        let unshare = if nix::unistd::geteuid().is_root() { "--mount" } else { "--map-root-user" };
        let spec = Spec::new(executable::on_path("unshare").context("unshare (util-linux) is needed to run the driver")?)
            .args([unshare, "--mount"])
            .arg(program)
            // The driver puts a slash of its own before the path.
            .arg(format!("--endpoint=unix:/{}", endpoint.display()))
            .arg(format!("--nodeid={node}"))
            .arg(format!("--provider-volume={}", providers.display()))
            .args(["--metrics-addr=0", "--enable-secret-rotation=true", "--rotation-poll-interval=0s"])
            .env("KUBECONFIG", kubernetes.kubeconfig())
            .orphaned_folder(folder.path());
        let process = Process::spawn("csi-driver", spec, folder.path())?;
        let driver = Self { process, node: node.to_owned(), endpoint, folder };
        driver.process.until("listen", START_LIMIT, async || driver.channel().await.map(drop)).await?;
        Ok(driver)
    }

    /// The node it is on.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The folder with its log. What it mounts is not there, as seen from outside.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it logs.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Mounts a volume, or mounts it again as kubelet does every so often. An error is what the pod's event would say.
    pub async fn publish(&self, volume: &PodVolume) -> Result<()> {
        let entry = |key: &str, value: &str| (format!("csi.storage.k8s.io/{key}"), value.to_owned());
        let mut context = BTreeMap::from([
            entry("pod.name", &volume.pod),
            entry("pod.namespace", &volume.namespace),
            entry("pod.uid", &volume.uid),
            entry("serviceAccount.name", &volume.service_account),
            entry("ephemeral", "true"),
        ]);
        context.insert("secretProviderClass".to_owned(), volume.class.clone());
        if !volume.tokens.is_empty() {
            let token = |token: &String| json!({ "token": token, "expirationTimestamp": "2100-01-01T00:00:00Z" });
            let tokens: serde_json::Map<String, Value> = volume.tokens.iter().map(|(a, t)| (a.clone(), token(t))).collect();
            context.extend([entry("serviceAccount.tokens", &Value::from(tokens).to_string())]);
        }
        let request = csi::PublishRequest {
            volume_id: volume.id(),
            target_path: self.target(volume).to_string_lossy().into_owned(),
            volume_capability: Some(csi::VolumeCapability {
                mount: Some(csi::MountVolume {}),
                access_mode: Some(csi::AccessMode { mode: 1 }),
            }),
            readonly: true,
            volume_context: context,
        };
        csi::publish(self.channel().await?, request).await.map_err(|status| anyhow::anyhow!("{}", status.message()))
    }

    /// Unmounts a volume.
    pub async fn unpublish(&self, volume: &PodVolume) -> Result<()> {
        let target_path = self.target(volume).to_string_lossy().into_owned();
        let request = csi::UnpublishRequest { volume_id: volume.id(), target_path };
        csi::unpublish(self.channel().await?, request).await.map_err(|status| anyhow::anyhow!("{}", status.message()))
    }

    /// The files that a container would see: by path, with mode and content. Fails where nothing is mounted.
    pub fn files(&self, volume: &PodVolume) -> Result<BTreeMap<String, (u32, Vec<u8>)>> {
        let root = PathBuf::from(format!("/proc/{}/root", self.process.pid()));
        let target = root.join(self.target(volume).strip_prefix("/")?);
        let mounts = fs::read_to_string(format!("/proc/{}/mounts", self.process.pid()))?;
        ensure!(mounts.contains(&*self.target(volume).to_string_lossy()), "nothing is mounted");
        let mut files = BTreeMap::new();
        visible(&target, "", &mut files)?;
        Ok(files)
    }

    fn target(&self, volume: &PodVolume) -> PathBuf {
        self.folder.path().join("pods").join(&volume.uid).join("volumes/kubernetes.io~csi/secrets/mount")
    }

    async fn channel(&self) -> Result<Channel> {
        let endpoint = self.endpoint.clone();
        // The address is not used.
        let dial = service_fn(move |_: Uri| {
            let endpoint = endpoint.clone();
            async move { UnixStream::connect(endpoint).await.map(TokioIo::new) }
        });
        Ok(Endpoint::from_static("http://driver").connect_with_connector(dial).await?)
    }
}

impl PodVolume {
    fn id(&self) -> String {
        format!("csi-{}", self.uid)
    }
}

/// Files as a container opens them; what begins with two dots is the driver's own.
fn visible(folder: &Path, below: &str, files: &mut BTreeMap<String, (u32, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("..") {
            continue;
        }
        let metadata = fs::metadata(entry.path())?;
        if metadata.is_dir() {
            visible(&entry.path(), &format!("{below}{name}/"), files)?;
        } else {
            files.insert(format!("{below}{name}"), (metadata.permissions().mode() & 0o777, fs::read(entry.path())?));
        }
    }
    Ok(())
}

/// Makes a SecretProviderClass.
pub async fn apply_class(kubernetes: &Kubernetes, namespace: &str, class: &Value) -> Result<()> {
    let name = class["metadata"]["name"].as_str().context("a class without a name")?;
    kubernetes.apply(&format!("{CLASSES}/namespaces/{namespace}/secretproviderclasses/{name}"), class.clone()).await.map(drop)
}

/// What the driver noted in the API of a pod's volume: object and version.
pub async fn versions(kubernetes: &Kubernetes, namespace: &str, pod: &str) -> Result<BTreeMap<String, String>> {
    let all =
        kubernetes.request("GET", &format!("{CLASSES}/namespaces/{namespace}/secretproviderclasspodstatuses"), None).await?;
    let of_pod = all["items"].as_array().into_iter().flatten().find(|status| status["status"]["podName"] == pod);
    let objects = of_pod.context("the driver noted nothing of the pod")?["status"]["objects"].as_array().cloned();
    let text = |object: &Value, key: &str| object[key].as_str().unwrap_or_default().to_owned();
    Ok(objects.unwrap_or_default().iter().map(|object| (text(object, "id"), text(object, "version"))).collect())
}

/// The driver's CustomResourceDefinitions, as little of their schema as it needs.
async fn install_definitions(kubernetes: &Kubernetes) -> Result<()> {
    for (kind, plural) in
        [("SecretProviderClass", "secretproviderclasses"), ("SecretProviderClassPodStatus", "secretproviderclasspodstatuses")]
    {
        let name = format!("{plural}.secrets-store.csi.x-k8s.io");
        let anything = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": name },
            "spec": {
                "group": "secrets-store.csi.x-k8s.io", "scope": "Namespaced",
                "names": { "kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase() },
                "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": anything } }],
            },
        });
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        kubernetes.apply(&path, definition).await?;
        crate::wait::until(&format!("the API to know {kind}"), START_LIMIT, async || {
            kubernetes.request("GET", &format!("{CLASSES}/{plural}"), None).await.map(drop)
        })
        .await?;
    }
    Ok(())
}
