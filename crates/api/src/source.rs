//! Sources: Vault or OpenBao servers.

use chrono::{DateTime, Utc};
use lockstep_core::source::{ADDRESSES_MAX, SourceSpec as Checked};
use serde::{Deserialize, Serialize};

use crate::field::{FieldError, Mistakes};
use crate::manifest::{Condition, Manifest};

/// A source's manifest.
pub type Source = Manifest<SourceSpec, SourceStatus>;

/// How a Vault is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        mistakes.finish(credentials.map(|credentials| Self {
            addresses: wire.addresses.clone(),
            namespace: wire.namespace.clone(),
            ca: wire.ca.clone(),
            credentials,
        }))
    }
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
        Self {
            addresses: checked.addresses.clone(),
            namespace: checked.namespace.clone(),
            ca: checked.ca.clone(),
            credentials: checked.credentials.to_string(),
        }
    }
}
