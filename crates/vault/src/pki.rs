//! The PKI engine: the CA whose key is never in our hands.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use vaultrs::api::pki::requests::SignCertificateRequest;
use vaultrs::api::pki::responses::SignCertificateResponse;

use crate::client::Vault;
use crate::error::VaultError;
use crate::kv::Envelope;
use crate::request::{Operation, Request};

mod issue;
mod issuers;

pub use issue::{IssueRequest, Issued, PkiRole};
pub use issuers::Issuer;

const PEM_LINE_BYTES: usize = 64;

/// A certificate signing request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Csr {
    /// PKCS #10 in DER.
    Der(Vec<u8>),
    /// The same in PEM.
    Pem(String),
}

/// What a certificate shall say. With a role that has `use_csr_common_name=false use_csr_sans=false` nothing is taken from the signing
/// request but its public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignRequest {
    /// Proves the key.
    pub csr: Csr,
    /// Such as the SPIFFE ID.
    pub uri_sans: Vec<String>,
    /// Host names.
    pub dns_sans: Vec<String>,
    /// Addresses.
    pub ip_sans: Vec<IpAddr>,
    /// Whole seconds; the role's maximum cuts it.
    pub ttl: Duration,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// DER: the leaf, then its issuers up to the root.
    pub chain_der: Vec<Vec<u8>>,
    /// As Vault writes it: hex bytes with colons.
    pub serial: String,
    /// When it ends.
    pub not_after: DateTime<Utc>,
}

impl Vault {
    /// Has the PKI engine sign a certificate. [`VaultError::Refused`] when the role does not allow a name, or does not exist.
    pub async fn sign(&self, mount: &str, role: &str, request: &SignRequest) -> Result<Signed, VaultError> {
        let request = Request::of(Operation::Sign, &description(mount, role, request))?;
        let answer = self.call(&request).await?;
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Envelope { data } = answer.parse::<Envelope<SignCertificateResponse>>(&request)?;
        let unreadable = || VaultError::Protocol { what: request.what(), why: "a certificate is not base64 of DER" };
        // Older engines leave the chain out when the issuer is a root.
        let issuers = data.ca_chain.filter(|chain| !chain.is_empty()).unwrap_or_else(|| vec![data.issuing_ca]);
        let chain = std::iter::once(&data.certificate).chain(&issuers).map(|text| BASE64.decode(text));
        let not_after = i64::try_from(data.expiration).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        Ok(Signed {
            chain_der: chain.collect::<Result<_, _>>().map_err(|_| unreadable())?,
            serial: data.serial_number,
            not_after: not_after.ok_or_else(unreadable)?,
        })
    }
}

fn description(mount: &str, role: &str, request: &SignRequest) -> SignCertificateRequest {
    let list = |names: &[String]| (!names.is_empty()).then(|| names.join(","));
    let addresses: Vec<_> = request.ip_sans.iter().map(IpAddr::to_string).collect();
    SignCertificateRequest {
        mount: mount.to_owned(),
        role: role.to_owned(),
        csr: Some(match &request.csr {
            Csr::Der(der) => pem(der),
            Csr::Pem(pem) => pem.clone(),
        }),
        uri_sans: list(&request.uri_sans),
        alt_names: list(&request.dns_sans),
        ip_sans: list(&addresses),
        ttl: Some(format!("{}s", request.ttl.as_secs())),
        // DER in base64: no PEM to take apart.
        format: Some("der".to_owned()),
        ..SignCertificateRequest::default()
    }
}

fn pem(csr_der: &[u8]) -> String {
    let text = BASE64.encode(csr_der);
    let mut pem = String::from("-----BEGIN CERTIFICATE REQUEST-----\n");
    for line in text.as_bytes().chunks(PEM_LINE_BYTES) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE REQUEST-----\n");
    pem
}
