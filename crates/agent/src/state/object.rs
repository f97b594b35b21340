//! One Secret that is the agent's own, written whole.
//!
//! It is written by server-side apply, also the first time: such a write is authorised with the object's name, so a Role with
//! `resourceNames` is enough, and nothing is ever listed. Each write carries the resourceVersion that was seen last.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::{StateError, refused};
use crate::kubernetes::{CREATOR, FIELD_MANAGER, Kubernetes, RequestError};
use crate::lease::Leadership;

/// Names the process that wrote last, so that a write whose answer was lost is told from another replica's.
const WRITER: &str = "lockstep.dev/writer";
const COMPONENT: (&str, &str) = ("lockstep.dev/component", "agent");
/// How long to wait before an outage is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// What is in it, by key.
pub(super) type Data = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// As whom the state is written.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    /// No two processes have the same.
    pub(crate) us: String,
    /// Whether it is ours to write.
    pub(crate) leadership: Leadership,
}

/// One Secret of ours.
#[derive(Debug)]
pub(super) struct SecretObject {
    kubernetes: Kubernetes,
    api: Api<Secret>,
    name: String,
    writer: Writer,
    /// The resourceVersion seen last. Locked while one is written, so writes come one after the other.
    version: Mutex<Option<String>>,
}

impl SecretObject {
    /// Reads it, and makes an empty one where there is none. Tries for as long as time may heal what is wrong.
    pub(super) async fn open(kubernetes: &Kubernetes, name: &str, writer: Writer) -> Result<(Self, Data), StateError> {
        let api: Api<Secret> = Api::namespaced(kubernetes.client.clone(), &kubernetes.namespace);
        let object = Self { kubernetes: kubernetes.clone(), api, name: name.to_owned(), writer, version: Mutex::default() };
        loop {
            match object.find_or_create().await {
                Ok(found) => {
                    *object.version.lock().await = found.metadata.resource_version.clone();
                    return Ok((object, data(found)));
                }
                Err(error) if error.is_transient() => tracing::warn!(%error, "{} cannot be read yet", object.what()),
                Err(error) => return Err(refused("read", &object.what())(error)),
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// Only reads it; `None` where there is none.
    pub(super) async fn look(kubernetes: &Kubernetes, name: &str) -> Result<Option<Data>, StateError> {
        let api: Api<Secret> = Api::namespaced(kubernetes.client.clone(), &kubernetes.namespace);
        let found = kubernetes.within(api.get_opt(name)).await;
        Ok(found.map_err(refused("read", &what(kubernetes, name)))?.map(data))
    }

    /// For people.
    pub(super) fn what(&self) -> String {
        what(&self.kubernetes, &self.name)
    }

    async fn find_or_create(&self) -> Result<Secret, RequestError> {
        match self.kubernetes.within(self.api.get_opt(&self.name)).await? {
            Some(found) => Ok(found),
            None => self.apply(CREATOR, self.secret(BTreeMap::new(), None)).await,
        }
    }

    /// Makes this all that is in it. If another replica wrote it meanwhile, this agent does not lead any more, and ends.
    pub(super) async fn replace(&self, data: BTreeMap<String, ByteString>) -> Result<(), StateError> {
        let mut version = self.version.lock().await;
        for is_last in [false, true] {
            self.writer.leadership.check()?;
            let mut secret = self.secret(data.clone(), version.clone());
            secret.metadata.annotations = Some([(WRITER.to_owned(), self.writer.us.clone())].into());
            match self.apply(FIELD_MANAGER, secret).await {
                Ok(written) => {
                    *version = written.metadata.resource_version;
                    return Ok(());
                }
                Err(error) if error.is_conflict() && !is_last => *version = self.version_of_ours().await?,
                Err(error) => return Err(refused("write", &self.what())(error)),
            }
        }
        Ok(())
    }

    /// The present version, if it was this process that wrote it, and its answer was lost.
    async fn version_of_ours(&self) -> Result<Option<String>, StateError> {
        let found = self.kubernetes.within(self.api.get_opt(&self.name)).await.map_err(refused("read", &self.what()))?;
        let found = found.unwrap_or_default().metadata;
        if found.annotations.is_some_and(|all| all.get(WRITER) == Some(&self.writer.us)) {
            return Ok(found.resource_version);
        }
        let why = format!("{} was written or removed by somebody else", self.what());
        self.writer.leadership.lose(why.clone());
        Err(StateError::NotLeader(why))
    }

    fn secret(&self, data: BTreeMap<String, ByteString>, resource_version: Option<String>) -> Secret {
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            labels: Some([(COMPONENT.0.to_owned(), COMPONENT.1.to_owned())].into()),
            resource_version,
            ..ObjectMeta::default()
        };
        Secret { metadata, data: Some(data), type_: Some("Opaque".to_owned()), ..Secret::default() }
    }

    async fn apply(&self, manager: &str, secret: Secret) -> Result<Secret, RequestError> {
        // A person may have edited a field: it is ours all the same.
        let parameters = PatchParams::apply(manager).force();
        self.kubernetes.within(self.api.patch(&self.name, &parameters, &Patch::Apply(secret))).await
    }
}

fn what(kubernetes: &Kubernetes, name: &str) -> String {
    format!("Secret {}/{name}", kubernetes.namespace)
}

fn data(secret: Secret) -> Data {
    secret.data.unwrap_or_default().into_iter().map(|(key, bytes)| (key, Zeroizing::new(bytes.0))).collect()
}
