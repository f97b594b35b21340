//! Certificates: the CA is Vault's PKI engine; no CA key is in our hands.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use lockstep_core::spiffe::{AgentIdentity, TrustDomain};
use lockstep_vault::{Csr, SignRequest, Signed, Vault, VaultError};
use rustls_pki_types::CertificateDer;
use std::sync::Arc;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::config::Config;

/// Signs certificates through the home Vault and knows the roots.
pub struct Authority {
    vault: Vault,
    mount: String,
    agent_role: String,
    server_role: String,
    trust_domain: TrustDomain,
    certificate_life: Duration,
    roots: ArcSwap<Vec<CertificateDer<'static>>>,
}

/// SHA-256 of a certificate's or signing request's SubjectPublicKeyInfo.
pub type KeyHash = Vec<u8>;

impl Authority {
    /// Reads the roots; fails clearly if the PKI mount is not set up.
    pub async fn connect(config: &Config, vault: Vault) -> anyhow::Result<Self> {
        let home = &config.home_vault;
        let authority = Self {
            vault,
            mount: home.pki_mount.clone(),
            agent_role: home.agent_role.clone(),
            server_role: home.server_role.clone(),
            trust_domain: config.trust_domain()?,
            certificate_life: Duration::from_secs(u64::from(config.agents.certificate_hours) * 3_600),
            roots: ArcSwap::default(),
        };
        authority.refresh_roots().await?;
        Ok(authority)
    }

    /// Reads the roots again; after a rotation there are several.
    pub async fn refresh_roots(&self) -> anyhow::Result<()> {
        let roots =
            self.vault.ca_roots(&self.mount).await.with_context(|| format!("reading the roots of PKI mount {}", self.mount))?;
        ensure!(
            !roots.is_empty(),
            "PKI mount {} of the home Vault has no issuer: create a root there, see docs/install.md",
            self.mount
        );
        self.roots.store(Arc::new(roots.into_iter().map(CertificateDer::from).collect()));
        Ok(())
    }

    /// What agents and callers trust.
    pub fn roots(&self) -> Arc<Vec<CertificateDer<'static>>> {
        self.roots.load_full()
    }

    /// `sha256:<hex>` of the first root's public key, for a new agent to pin.
    pub fn pin(&self) -> anyhow::Result<String> {
        let roots = self.roots();
        let root = roots.first().ok_or_else(|| anyhow!("there is no root"))?;
        Ok(format!("sha256:{}", hex::encode(certificate_key_hash(root)?)))
    }

    /// The trust domain of every certificate.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// Signs an agent's certificate. Nothing but the public key is taken from the request: the role ignores names in it.
    pub async fn sign_agent(&self, identity: &AgentIdentity, csr_der: &[u8]) -> Result<Signed, VaultError> {
        let request = SignRequest {
            csr: Csr::Der(csr_der.to_vec()),
            uri_sans: vec![identity.to_string()],
            dns_sans: Vec::new(),
            ip_sans: Vec::new(),
            ttl: self.certificate_life,
        };
        self.vault.sign(&self.mount, &self.agent_role, &request).await
    }

    /// Signs this replica's own certificate, for these names and addresses.
    pub async fn sign_server(&self, csr_der: &[u8], names: &[String]) -> Result<Signed, VaultError> {
        let (addresses, names): (Vec<_>, Vec<_>) =
            names.iter().map(|n| n.parse::<IpAddr>().map_err(|_| n.clone())).partition(Result::is_ok);
        let request = SignRequest {
            csr: Csr::Der(csr_der.to_vec()),
            uri_sans: vec![self.trust_domain.server_id()],
            dns_sans: names.into_iter().filter_map(Result::err).collect(),
            ip_sans: addresses.into_iter().flatten().collect(),
            ttl: self.certificate_life,
        };
        self.vault.sign(&self.mount, &self.server_role, &request).await
    }
}

/// The hash of a certificate's public key.
pub fn certificate_key_hash(der: &[u8]) -> anyhow::Result<KeyHash> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| anyhow!("not a certificate"))?;
    Ok(digest(&SHA256, certificate.public_key().raw).as_ref().to_vec())
}

/// The hash of a signing request's public key. That the requester holds the key is checked by Vault, by the request's signature.
pub fn request_key_hash(csr_der: &[u8]) -> anyhow::Result<KeyHash> {
    let (rest, request) =
        X509CertificationRequest::from_der(csr_der).map_err(|_| anyhow!("not a certificate signing request"))?;
    ensure!(rest.is_empty(), "bytes follow the certificate signing request");
    Ok(digest(&SHA256, request.certification_request_info.subject_pki.raw).as_ref().to_vec())
}

/// What a presented certificate says of its agent: the identity and when it ends.
pub fn agent_identity(der: &[u8]) -> anyhow::Result<(AgentIdentity, chrono::DateTime<chrono::Utc>)> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| anyhow!("not a certificate"))?;
    let names = certificate.subject_alternative_name().ok().flatten().ok_or_else(|| anyhow!("the certificate has no SAN"))?;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        x509_parser::extensions::GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    // SPIFFE: exactly one URI, else it would be a matter of taste which of them speaks.
    let (Some(uri), None) = (uris.next(), uris.next()) else {
        return Err(anyhow!("the certificate has not exactly one URI SAN"));
    };
    let not_after = chrono::DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0);
    Ok((uri.parse()?, not_after.ok_or_else(|| anyhow!("the certificate's end is no time"))?))
}
