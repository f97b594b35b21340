//! Sources: Vault or OpenBao servers.

use chrono::{DateTime, Utc};
use lockstep_core::source::{ADDRESSES_MAX, ClusterLogin as CheckedLogin, Method, ReadAs, SourceSpec as Checked};
use serde::{Deserialize, Serialize};

use crate::field::{FieldError, Mistakes};
use crate::manifest::{Condition, Manifest};

/// The audience of clusters' tokens where none is given.
const AUDIENCE: &str = "vault";

/// A source's manifest.
pub type Source = Manifest<SourceSpec, SourceStatus>;

/// How a Vault is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourceSpec {
    /// `https://host:port`; several are the nodes of one Vault.
    pub addresses: Vec<String>,
    /// Vault namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// PEM certificates to trust for this source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The name of a credential set in the server's configuration.
    pub credentials: String,
    /// The name of another one, by which rotations write there; the same if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_credentials: Option<String>,
    /// Who reads what is delivered: `Server` (default), with these credentials; or `Cluster`, logged in as `clusterLogin` says, so that
    /// Vault's policy decides for each cluster and Vault's audit names it. The credentials then need to see metadata only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_as: Option<String>,
    /// For `readAs: Cluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_login: Option<ClusterLogin>,
}

/// How each cluster logs in, with a token of its agent's service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClusterLogin {
    /// `Kubernetes`: Vault has the cluster's API server review the token. `JWT`: Vault checks it by the cluster's public keys.
    pub method: String,
    /// Where the method is mounted below `auth/`; `{cluster}` stands for the cluster's name.
    pub mount: String,
    /// The role to log in to; `{cluster}` stands for the cluster's name.
    pub role: String,
    /// The one audience of the token; `vault` if absent. Never the API server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

/// How a source is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourceStatus {
    /// The replica that watches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_by: Option<String>,
    /// When every bound secret had last been looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_swept_at: Option<DateTime<Utc>>,
    /// How often it is looked at, as the replica that watches it is configured (`watch.intervalMs`), in milliseconds. Absent where it was not noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_interval_ms: Option<u64>,
    /// How many secrets are watched.
    pub secrets: u64,
    /// `Ready`.
    pub conditions: Vec<Condition>,
}

/// What a source's credentials need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourcePolicy {
    /// How many secrets it is for.
    pub secrets: u64,
    /// In HCL.
    pub policy: String,
}

/// How a check of a source went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourceCheck {
    /// Whether nothing is missing.
    pub ok: bool,
    /// The replica that tried.
    pub replica: String,
    /// What was tried, up to the first failure.
    pub steps: Vec<CheckStep>,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckStep {
    /// `settings`, `node`, `login` or `rights`.
    pub what: String,
    /// Whether it is well.
    pub ok: bool,
    /// In words, with what to do if it is not.
    pub text: String,
}

impl TryFrom<&SourceSpec> for Checked {
    type Error = Vec<FieldError>;
    fn try_from(wire: &SourceSpec) -> Result<Self, Vec<FieldError>> {
        let mut mistakes = Mistakes::default();
        mistakes.count("spec.addresses", wire.addresses.len(), ADDRESSES_MAX);
        for (i, address) in wire.addresses.iter().enumerate() {
            if let Err(reason) = check_address(address) {
                mistakes.add(format!("spec.addresses[{i}]"), reason);
            }
        }
        let credentials = mistakes.parse("spec.credentials", &wire.credentials);
        let for_rotations = wire.rotation_credentials.as_ref().map(|name| mistakes.parse("spec.rotationCredentials", name));
        let read_as = check_reader(wire, &mut mistakes);
        let checked = || {
            Some(Self {
                addresses: wire.addresses.clone(),
                namespace: wire.namespace.clone(),
                ca: wire.ca.clone(),
                credentials: credentials?,
                rotation_credentials: for_rotations.flatten(),
                read_as: read_as?,
            })
        };
        let checked = checked();
        mistakes.finish(checked)
    }
}

fn check_reader(wire: &SourceSpec, mistakes: &mut Mistakes) -> Option<ReadAs> {
    match (wire.read_as.as_deref(), &wire.cluster_login) {
        (None | Some("Server"), None) => Some(ReadAs::Server),
        (None | Some("Server"), Some(_)) => {
            mistakes.add("spec.clusterLogin", "is for readAs: Cluster: add that, or leave this out");
            None
        }
        (Some("Cluster"), None) => {
            mistakes.add("spec.clusterLogin", "readAs: Cluster needs it: method, mount and role");
            None
        }
        (Some("Cluster"), Some(login)) => check_login(login, mistakes).map(ReadAs::Cluster),
        (Some(other), _) => {
            mistakes.add("spec.readAs", format!("{other:?} is nobody who reads: Server or Cluster"));
            None
        }
    }
}

fn check_login(wire: &ClusterLogin, mistakes: &mut Mistakes) -> Option<CheckedLogin> {
    let method = match wire.method.as_str() {
        "Kubernetes" => Some(Method::Kubernetes),
        "JWT" => Some(Method::Jwt),
        other => {
            mistakes.add("spec.clusterLogin.method", format!("{other:?} is no login of a cluster's: Kubernetes or JWT"));
            None
        }
    };
    let mount = mistakes.parse("spec.clusterLogin.mount", &wire.mount);
    let role = mistakes.parse("spec.clusterLogin.role", &wire.role);
    let audience = mistakes.parse("spec.clusterLogin.audience", wire.audience.as_deref().unwrap_or(AUDIENCE));
    Some(CheckedLogin { method: method?, mount: mount?, role: role?, audience: audience? })
}

/// A scheme and an authority and nothing else: a path or a user would be sent along with every credential.
fn check_address(address: &str) -> Result<(), &'static str> {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    let authority = rest.ok_or("an address begins with https:// (or http://, for a server on loopback)")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b);
    if authority.is_empty() || !authority.bytes().all(plain) {
        return Err("an address is https://host:port, without path, user or query");
    }
    Ok(())
}

impl From<&Checked> for SourceSpec {
    fn from(checked: &Checked) -> Self {
        let login = match &checked.read_as {
            ReadAs::Server => None,
            ReadAs::Cluster(login) => Some(login),
        };
        Self {
            addresses: checked.addresses.clone(),
            namespace: checked.namespace.clone(),
            ca: checked.ca.clone(),
            credentials: checked.credentials.to_string(),
            rotation_credentials: checked.rotation_credentials.as_ref().map(ToString::to_string),
            read_as: login.is_some().then(|| "Cluster".to_owned()),
            cluster_login: login.map(|login| ClusterLogin {
                method: login.method.as_str().to_owned(),
                mount: login.mount.as_str().to_owned(),
                role: login.role.as_str().to_owned(),
                audience: Some(login.audience.to_string()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(more: &serde_json::Value) -> SourceSpec {
        let mut spec = serde_json::json!({"addresses": ["https://vault:8200"], "credentials": "corp"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn who_reads_is_written_back_as_it_was_given() {
        let login = serde_json::json!({"method": "JWT", "mount": "jwt-{cluster}", "role": "lockstep", "audience": "vault"});
        for more in [serde_json::json!({}), serde_json::json!({"readAs": "Cluster", "clusterLogin": login})] {
            let written = spec(&more);
            assert_eq!(SourceSpec::from(&Checked::try_from(&written).unwrap()), written);
        }
    }

    #[test]
    fn a_clusters_login_that_cannot_be_is_refused_with_what_to_write() {
        let login = |field: &str, value: &str| {
            let mut login = serde_json::json!({"method": "Kubernetes", "mount": "k8s", "role": "lockstep"});
            login[field] = value.into();
            serde_json::json!({"readAs": "Cluster", "clusterLogin": login})
        };
        for (more, field, says) in [
            (serde_json::json!({"readAs": "Cluster"}), "spec.clusterLogin", "method, mount and role"),
            (serde_json::json!({"readAs": "Agent"}), "spec.readAs", "Server or Cluster"),
            (login("method", "AppRole"), "spec.clusterLogin.method", "Kubernetes or JWT"),
            (login("mount", "../sys"), "spec.clusterLogin.mount", "{cluster}"),
            (login("role", ""), "spec.clusterLogin.role", "{cluster}"),
            (login("audience", "https://kubernetes.default.svc"), "spec.clusterLogin.audience", "an audience of its own"),
        ] {
            let errors = Checked::try_from(&spec(&more)).unwrap_err();
            assert!(errors.iter().any(|e| e.field == field && e.reason.contains(says)), "{more}: {errors:?}");
        }
        let mut without = login("role", "lockstep");
        without.as_object_mut().unwrap().remove("readAs");
        assert_eq!(Checked::try_from(&spec(&without)).unwrap_err()[0].field, "spec.clusterLogin");
    }
}
