//! Which issuers a mount has, and which of them signs.

use std::collections::BTreeSet;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use vaultrs::api::pki::requests::{ListIssuersRequest, ReadIssuerCertificateRequest};
use vaultrs::api::pki::responses::{ListIssuersResponse, ReadIssuerCertificateResponse};

use crate::client::Vault;
use crate::error::VaultError;
use crate::kv::Envelope;
use crate::request::{Operation, Request};

/// The most issuers of one mount: each costs a request.
const ISSUERS_MAX: usize = 32;
/// What the PKI engine calls the one that signs where nobody names another.
const DEFAULT: &str = "default";

/// An issuer of a PKI mount. Two of them may have one key: a root, and its cross-signed certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Its id in the mount.
    pub id: String,
    /// What an operator calls it; may be empty.
    pub name: String,
    /// Its certificate, then those up to the roots that vouch for it, in DER.
    pub chain_der: Vec<Vec<u8>>,
    /// Whether it signs where nobody names another.
    pub signs: bool,
}

impl Vault {
    /// The issuers of a mount: all of them, or an error. Empty where the engine has none.
    pub async fn issuers(&self, mount: &str) -> Result<Vec<Issuer>, VaultError> {
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
        let default = self.issuer(mount, DEFAULT).await?.id;
        let mut issuers = Vec::new();
        // In an order that does not change with how the engine lists them.
        for id in data.keys.into_iter().collect::<BTreeSet<_>>() {
            let issuer = self.issuer(mount, &id).await?;
            issuers.push(Issuer { signs: issuer.id == default, ..issuer });
        }
        Ok(issuers)
    }

    async fn issuer(&self, mount: &str, issuer: &str) -> Result<Issuer, VaultError> {
        let description = ReadIssuerCertificateRequest { mount: mount.to_owned(), issuer: issuer.to_owned() };
        let request = Request::of(Operation::CaRoots, &description)?;
        let answer = self.call(&request).await?;
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Envelope { data } = answer.parse::<Envelope<ReadIssuerCertificateResponse>>(&request)?;
        let unreadable = || VaultError::Protocol { what: request.what(), why: "an issuer's certificate is not PEM" };
        let own = der(&data.certificate).ok_or_else(unreadable)?;
        let above = data.ca_chain.iter().map(|pem| der(pem)).collect::<Option<Vec<_>>>().ok_or_else(unreadable)?;
        // The engine repeats the issuer's own in its chain.
        let above = above.into_iter().filter(|der| *der != own).collect::<Vec<_>>();
        let chain_der = [vec![own], above].concat();
        Ok(Issuer { id: data.issuer_id, name: data.issuer_name, chain_der, signs: false })
    }
}

fn der(pem: &str) -> Option<Vec<u8>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok().map(|der| der.to_vec())
}
