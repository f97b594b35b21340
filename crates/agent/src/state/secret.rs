//! State in Kubernetes: a Secret in the agent's own namespace, and a second one for what is held.

use k8s_openapi::ByteString;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::StateError;
use super::held::HeldSecret;
use super::object::{Data, SecretObject, Writer};
use crate::kubernetes::Kubernetes;

/// The state Secret, as it was read at the start and written since: who leads is the only one to write it.
#[derive(Debug)]
pub(crate) struct StateSecret {
    /// `None` where it is only looked at.
    object: Option<SecretObject>,
    what: String,
    data: Mutex<Data>,
    /// The second Secret.
    pub(crate) held: HeldSecret,
}

impl StateSecret {
    /// Opens both for a leader, and makes those that are not there.
    pub(crate) async fn open(kubernetes: &Kubernetes, name: &str, writer: Writer) -> Result<Self, StateError> {
        let (object, data) = SecretObject::open(kubernetes, name, writer.clone()).await?;
        let held = HeldSecret::open(kubernetes, &held_name(name), writer).await?;
        Ok(Self { what: object.what(), object: Some(object), data: Mutex::new(data), held })
    }

    /// Reads both, for showing.
    pub(crate) async fn look(kubernetes: &Kubernetes, name: &str) -> Result<Self, StateError> {
        let data = SecretObject::look(kubernetes, name).await?.unwrap_or_default();
        let held = HeldSecret::look(kubernetes, &held_name(name)).await?;
        Ok(Self { what: format!("Secret {}/{name}", kubernetes.namespace), object: None, data: Mutex::new(data), held })
    }

    /// For people.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    pub(super) async fn read(&self, key: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.data.lock().await.get(key).cloned()
    }

    /// Replaces the bytes under `key`, or removes them. They are in the Secret before they are here.
    pub(super) async fn write(&self, key: &str, bytes: Option<&[u8]>) -> Result<(), StateError> {
        let mut data = self.data.lock().await;
        if data.get(key).map(|present| present.as_slice()) == bytes {
            return Ok(());
        }
        let mut next = data.clone();
        match bytes {
            Some(bytes) => next.insert(key.to_owned(), Zeroizing::new(bytes.to_vec())),
            None => next.remove(key),
        };
        if let Some(object) = &self.object {
            object.replace(next.iter().map(|(key, bytes)| (key.clone(), ByteString(bytes.to_vec()))).collect()).await?;
        }
        *data = next;
        Ok(())
    }
}

fn held_name(name: &str) -> String {
    format!("{name}-held")
}
