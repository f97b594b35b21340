//! Certificates whose key the PKI engine makes, and shows once: in the answer.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::material::Material;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::Vault;
use crate::error::VaultError;
use crate::kv::{self, Envelope};
use crate::request::{Operation, Request};

/// What a certificate shall say; the rest is as the role has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueRequest {
    /// The subject's name; empty where the role asks for none.
    pub common_name: String,
    /// Host names.
    pub alt_names: Vec<String>,
    /// Addresses.
    pub ip_sans: Vec<IpAddr>,
    /// Such as a SPIFFE ID.
    pub uri_sans: Vec<String>,
    /// Whole seconds; `None` is the role's own. The role's maximum cuts it.
    pub ttl: Option<Duration>,
}

/// A certificate with its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// In PEM.
    pub certificate: String,
    /// Its issuers up to the root, each in PEM.
    pub chain: Vec<String>,
    /// PKCS #8 in PEM, of the kind that the role says.
    pub key: Material,
    /// As Vault writes it: hex bytes with colons.
    pub serial: String,
    /// When it ends.
    pub not_after: DateTime<Utc>,
}

impl Issued {
    /// The certificate and its issuers, as `tls.crt` of a `kubernetes.io/tls` Secret has them.
    pub fn bundle(&self) -> String {
        let all = std::iter::once(&self.certificate).chain(&self.chain).map(|pem| pem.trim_end());
        all.fold(String::new(), |bundle, pem| bundle + pem + "\n")
    }

    /// The last issuer of the chain, for `ca.crt`: the root, unless the engine does not know it.
    pub fn root(&self) -> Option<&str> {
        self.chain.last().map(String::as_str)
    }
}

/// What a PKI role allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PkiRole {
    /// How long a certificate lives where nobody says; `None` is as the mount has it.
    pub ttl: Option<Duration>,
    /// How long at most; `None` is as the mount has it.
    pub max_ttl: Option<Duration>,
    /// How long before it is issued a certificate begins.
    pub dated_back: Duration,
    /// Whether the engine keeps certificates: one that it does not keep cannot be revoked.
    pub keeps: bool,
}

#[derive(Serialize)]
struct Wanted<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    common_name: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    alt_names: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ip_sans: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    uri_sans: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<String>,
    format: &'static str,
    private_key_format: &'static str,
}

#[derive(Deserialize)]
struct Answered<'a> {
    certificate: String,
    issuing_ca: String,
    ca_chain: Option<Vec<String>>,
    /// Not a `String`, which would stay in memory.
    #[serde(borrow)]
    private_key: &'a RawValue,
    serial_number: String,
    expiration: i64,
}

#[derive(Deserialize)]
struct RoleFields {
    #[serde(default)]
    ttl: u64,
    #[serde(default)]
    max_ttl: u64,
    #[serde(default = "dated_back_s")]
    not_before_duration: u64,
    #[serde(default)]
    no_store: bool,
}

/// Where a role does not say.
const fn dated_back_s() -> u64 {
    30
}

#[derive(Serialize)]
struct Revoked<'a> {
    serial_number: &'a str,
}

impl Vault {
    /// Has the PKI engine make a key and a certificate. [`VaultError::Refused`] when the role does not allow a name, or does not exist.
    ///
    /// The key is in this answer only. After an error a certificate may have been made, whose key nobody has; nothing is sent twice.
    pub async fn issue(&self, mount: &KvMount, role: &KvPath, wanted: &IssueRequest) -> Result<Issued, VaultError> {
        let addresses: Vec<_> = wanted.ip_sans.iter().map(IpAddr::to_string).collect();
        let fields = Wanted {
            common_name: &wanted.common_name,
            alt_names: wanted.alt_names.join(","),
            ip_sans: addresses.join(","),
            uri_sans: wanted.uri_sans.join(","),
            ttl: wanted.ttl.map(|ttl| format!("{}s", ttl.as_secs())),
            format: "pem",
            // What every TLS library reads, whatever kind of key it is.
            private_key_format: "pkcs8",
        };
        let request = Request::post_json(Operation::Issue, format!("{mount}/issue/{role}"), &fields)?;
        let answer = self.call(&request).await?;
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Envelope { data } = answer.parse::<Envelope<Answered<'_>>>(&request)?;
        let odd = |why| VaultError::Protocol { what: request.what(), why };
        Ok(Issued {
            certificate: data.certificate,
            // Older engines leave the chain out when the issuer is a root.
            chain: data.ca_chain.filter(|chain| !chain.is_empty()).unwrap_or_else(|| vec![data.issuing_ca]),
            key: kv::material(data.private_key).ok_or_else(|| odd("the private key is not text"))?,
            serial: data.serial_number,
            not_after: DateTime::from_timestamp(data.expiration, 0).ok_or_else(|| odd("the certificate has no end"))?,
        })
    }

    /// What a PKI role allows. [`VaultError::NotFound`] when there is none.
    pub async fn pki_role(&self, mount: &KvMount, role: &KvPath) -> Result<PkiRole, VaultError> {
        let request = Request::get(Operation::PkiRole, format!("{mount}/roles/{role}"));
        let answer = self.call(&request).await?;
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Envelope { data } = answer.parse::<Envelope<RoleFields>>(&request)?;
        let lasting = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
        let dated_back = Duration::from_secs(data.not_before_duration);
        Ok(PkiRole { ttl: lasting(data.ttl), max_ttl: lasting(data.max_ttl), dated_back, keeps: !data.no_store })
    }

    /// Revokes a certificate; one that was revoked already stays so.
    pub async fn revoke_certificate(&self, mount: &KvMount, serial: &str) -> Result<(), VaultError> {
        let request = Request::post_json(Operation::Revoke, format!("{mount}/revoke"), &Revoked { serial_number: serial })?;
        let answer = self.call(&request).await?;
        if answer.is_success() { Ok(()) } else { Err(answer.failure(&request)) }
    }
}
