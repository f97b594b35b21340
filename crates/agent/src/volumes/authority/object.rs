//! Where the CAs are in the cluster: their keys in a Secret, their certificates in a ConfigMap. Both are written by server-side apply,
//! which is authorised with the object's name, also the first time.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams};
use zeroize::Zeroizing;

use crate::kubernetes::{CREATOR, FIELD_MANAGER, Kubernetes, RequestError};

/// Of the Secret.
const AUTHORITIES: &str = "authorities.json";
/// Of the ConfigMap.
const BUNDLE: &str = "ca.crt";
const COMPONENT: (&str, &str) = ("lockstep.dev/component", "agent");

/// The two objects.
#[derive(Debug)]
pub(super) struct Objects {
    kubernetes: Kubernetes,
    secrets: Api<Secret>,
    config_maps: Api<ConfigMap>,
    secret: String,
    config_map: String,
}

/// The Secret, as it was read or written.
pub(super) struct Seen {
    version: Option<String>,
    /// `None`: nobody made a CA yet.
    pub(super) authorities: Option<Zeroizing<Vec<u8>>>,
}

impl Objects {
    pub(super) fn new(kubernetes: &Kubernetes, secret: &str, config_map: &str) -> Self {
        Self {
            secrets: Api::namespaced(kubernetes.client.clone(), &kubernetes.namespace),
            config_maps: Api::namespaced(kubernetes.client.clone(), &kubernetes.namespace),
            kubernetes: kubernetes.clone(),
            secret: secret.to_owned(),
            config_map: config_map.to_owned(),
        }
    }

    /// For people.
    pub(super) fn secret(&self) -> String {
        format!("Secret {}/{}", self.kubernetes.namespace, self.secret)
    }

    /// For people.
    pub(super) fn config_map(&self) -> String {
        format!("ConfigMap {}/{}", self.kubernetes.namespace, self.config_map)
    }

    /// Reads the Secret, and makes an empty one where there is none: whoever fills it first is the one whose CA it is.
    pub(super) async fn read(&self) -> Result<Seen, RequestError> {
        let found = match self.kubernetes.within(self.secrets.get_opt(&self.secret)).await? {
            Some(found) => found,
            None => self.apply(CREATOR, &Secret { metadata: metadata(&self.secret, None), ..Secret::default() }).await?,
        };
        Ok(seen(found))
    }

    /// Writes the Secret; refused with a conflict if it is not as it was seen.
    pub(super) async fn write(&self, before: &Seen, authorities: &[u8]) -> Result<Seen, RequestError> {
        let secret = Secret {
            metadata: metadata(&self.secret, before.version.clone()),
            data: Some([(AUTHORITIES.to_owned(), ByteString(authorities.to_vec()))].into()),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        };
        self.apply(FIELD_MANAGER, &secret).await.map(seen)
    }

    /// Makes the ConfigMap say this; whether it did not.
    pub(super) async fn publish(&self, bundle: &str) -> Result<bool, RequestError> {
        let found = self.kubernetes.within(self.config_maps.get_opt(&self.config_map)).await?;
        if found.and_then(|found| found.data).is_some_and(|data| data.get(BUNDLE).is_some_and(|present| present == bundle)) {
            return Ok(false);
        }
        let config_map = ConfigMap {
            metadata: metadata(&self.config_map, None),
            data: Some([(BUNDLE.to_owned(), bundle.to_owned())].into()),
            ..ConfigMap::default()
        };
        // Whoever wrote something else there: it is ours.
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(&config_map);
        self.kubernetes.within(self.config_maps.patch(&self.config_map, &parameters, &patch)).await?;
        Ok(true)
    }

    async fn apply(&self, manager: &str, secret: &Secret) -> Result<Secret, RequestError> {
        let parameters = PatchParams::apply(manager).force();
        self.kubernetes.within(self.secrets.patch(&self.secret, &parameters, &Patch::Apply(secret))).await
    }
}

fn seen(secret: Secret) -> Seen {
    let authorities = secret.data.unwrap_or_default().remove(AUTHORITIES).map(|bytes| Zeroizing::new(bytes.0));
    Seen { version: secret.metadata.resource_version, authorities }
}

fn metadata(name: &str, resource_version: Option<String>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some([(COMPONENT.0.to_owned(), COMPONENT.1.to_owned())].into()),
        resource_version,
        ..ObjectMeta::default()
    }
}
