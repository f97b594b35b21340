//! The PKI engine: the CA whose key is never in our hands.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use vaultrs::api::pki::requests::{ListIssuersRequest, ReadIssuerCertificateRequest, SignCertificateRequest};
use vaultrs::api::pki::responses::{ListIssuersResponse, ReadIssuerCertificateResponse, SignCertificateResponse};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::client::Vault;
use crate::error::VaultError;
use crate::kv::Envelope;
use crate::request::{Operation, Request};

/// The most issuers of one mount: each costs a request.
const ISSUERS_MAX: usize = 32;

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

    /// The roots to trust for certificates of this mount, in DER: of each issuer the self-signed certificate of its chain, or the
    /// chain's top where the root is elsewhere. After a rotation there are several.
    pub async fn ca_roots(&self, mount: &str) -> Result<Vec<Vec<u8>>, VaultError> {
        let request = Request::of(Operation::CaRoots, &ListIssuersRequest { mount: mount.to_owned() })?;
        let answer = self.call(&request).await?;
        if answer.is_nothing() {
            return Ok(Vec::new());
        }
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Envelope { data } = answer.parse::<Envelope<ListIssuersResponse>>(&request)?;
        if data.keys.len() > ISSUERS_MAX {
            return Err(VaultError::Protocol {
                what: request.what(),
                why: "the mount has more than 32 issuers: remove expired ones",
            });
        }
        let mut roots = Vec::new();
        for issuer in data.keys {
            let root = self.root_of(mount, issuer).await?;
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        Ok(roots)
    }

    async fn root_of(&self, mount: &str, issuer: String) -> Result<Vec<u8>, VaultError> {
        let description = ReadIssuerCertificateRequest { mount: mount.to_owned(), issuer };
        let request = Request::of(Operation::CaRoots, &description)?;
        let answer = self.call(&request).await?;
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Envelope { data } = answer.parse::<Envelope<ReadIssuerCertificateResponse>>(&request)?;
        let pem = [data.certificate].into_iter().chain(data.ca_chain).collect::<Vec<_>>();
        let chain = pem.iter().map(|pem| der(pem)).collect::<Option<Vec<_>>>();
        chain
            .and_then(|chain| top(&chain))
            .ok_or_else(|| VaultError::Protocol { what: request.what(), why: "an issuer's certificate is not PEM" })
    }
}

fn der(pem: &str) -> Option<Vec<u8>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok().map(|der| der.to_vec())
}

/// The self-signed one, else the last.
fn top(chain: &[Vec<u8>]) -> Option<Vec<u8>> {
    let is_self_signed = |der: &&Vec<u8>| {
        X509Certificate::from_der(der).is_ok_and(|(_, certificate)| certificate.subject() == certificate.issuer())
    };
    chain.iter().find(is_self_signed).or(chain.last()).cloned()
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
