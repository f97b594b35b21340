//! What the driver asks for: the class, the pod, and the pod's token. Pure.

use std::collections::BTreeMap;

use lockstep_proto::node::{Pod, ReadRequest};
use lockstep_proto::provider::MountRequest;
use serde_json::Value;
use zeroize::Zeroizing;

use super::mode::Mode;
use super::object::{self, Object};
use super::refusal::Refusal;

const POD_NAME: &str = "csi.storage.k8s.io/pod.name";
const POD_NAMESPACE: &str = "csi.storage.k8s.io/pod.namespace";
const POD_UID: &str = "csi.storage.k8s.io/pod.uid";
const SERVICE_ACCOUNT: &str = "csi.storage.k8s.io/serviceAccount.name";
const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";
const OBJECTS: &str = "objects";

/// A mount, as it is understood.
pub(super) struct Mount {
    pub(super) pod: Pod,
    token: Zeroizing<String>,
    pub(super) objects: Vec<Object>,
    /// Of files whose object says no other.
    pub(super) mode: Mode,
    /// Parameters of the class that only Vault's provider needs.
    pub(super) needless: Vec<&'static str>,
}

impl Mount {
    /// Takes a request apart. No error quotes the attributes: tokens are among them.
    pub(super) fn parse(request: &MountRequest, audience: &str) -> Result<Self, Refusal> {
        let attributes = Attributes::parse(&request.attributes)?;
        let pod = Pod {
            namespace: attributes.of_pod(POD_NAMESPACE)?,
            name: attributes.of_pod(POD_NAME)?,
            uid: attributes.of_pod(POD_UID)?,
            service_account: attributes.of_pod(SERVICE_ACCOUNT)?,
        };
        let objects = object::parse(attributes.get(OBJECTS).unwrap_or_default())?;
        let mode = Mode::of_request(&request.permission)?;
        Ok(Self { pod, token: attributes.token(audience)?, objects, mode, needless: attributes.needless() })
    }

    /// What the agent is asked.
    pub(super) fn question(&self) -> ReadRequest {
        let objects = self.objects.iter().map(Into::into).collect();
        ReadRequest { pod: Some(self.pod.clone()), pod_token: self.token.to_string(), objects }
    }
}

struct Attributes(BTreeMap<String, String>);

impl Attributes {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let map = serde_json::from_str(text);
        map.map(Self).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Refusal::invalid(format!("the driver's attributes are no JSON map of texts (line {line}, column {column})"))
        })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn of_pod(&self, name: &str) -> Result<String, Refusal> {
        let why = || {
            Refusal::invalid(format!(
                "the driver does not say {name}: its CSIDriver object secrets-store.csi.k8s.io must have spec.podInfoOnMount: true"
            ))
        };
        self.get(name).map(str::to_owned).ok_or_else(why)
    }

    /// The pod's own, for us.
    fn token(&self, audience: &str) -> Result<Zeroizing<String>, Refusal> {
        let missing = |what: &str| {
            Refusal::invalid(format!(
                "{what}: the CSIDriver object secrets-store.csi.k8s.io must list the audience {audience:?} in spec.tokenRequests (with \
                 the driver's chart: --set tokenRequests[0].audience={audience}); then the pod is mounted at kubelet's next try"
            ))
        };
        let tokens = self.get(TOKENS).ok_or_else(|| missing("the driver gives no token of the pod's service account"))?;
        let tokens: Value = serde_json::from_str(tokens)
            .map_err(|_| Refusal::invalid(format!("the driver's attribute {TOKENS} is no JSON map of audiences")))?;
        let token = tokens.get(audience).and_then(|of| of.get("token")).and_then(Value::as_str).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| missing("the driver gives tokens of the pod's service account, and none for us"))?;
        Ok(Zeroizing::new(token.to_owned()))
    }

    fn needless(&self) -> Vec<&'static str> {
        NEEDLESS.into_iter().filter(|name| self.0.contains_key(*name)).collect()
    }
}

/// Of Vault's provider, and OpenBao's: how to log in where. The source that a binding draws from says it, and the pod's own token who asks.
const NEEDLESS: [&str; 26] = [
    "roleName",
    "audience",
    "KubernetesServiceAccountPath",
    "vaultAddress",
    "vaultNamespace",
    "vaultSkipTLSVerify",
    "vaultCAPem",
    "vaultCACertPath",
    "vaultCADirectory",
    "vaultTLSServerName",
    "vaultTLSClientCertPath",
    "vaultTLSClientKeyPath",
    "vaultKubernetesMountPath",
    "vaultAuthMountPath",
    "openbaoAddr",
    "openbaoAddress",
    "openbaoNamespace",
    "openbaoSkipTLSVerify",
    "openbaoCAPem",
    "openbaoCACertPath",
    "openbaoCADirectory",
    "openbaoTLSServerName",
    "openbaoTLSClientCertPath",
    "openbaoTLSClientKeyPath",
    "openbaoKubernetesMountPath",
    "openbaoAuthMountPath",
];

#[cfg(test)]
mod tests;
