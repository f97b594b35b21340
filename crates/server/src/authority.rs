//! Certificates: the CA is Vault's PKI engine; no CA key is in our hands. Which issuers it has, and which of them signs, is an operator's
//! affair and only looked at here ([ADR 0026](../../../docs/adr/0026-a-ca-is-rotated-in-vault-and-watched-here.md)).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use lockstep_core::spiffe::{AgentIdentity, TrustDomain};
use lockstep_vault::{Csr, SignRequest, Signed, Vault, VaultError};
use tokio::sync::watch;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::config::Config;
use link::Link;

mod link;
mod roots;

pub use roots::Root;

/// Signs certificates through the home Vault and knows the roots.
pub struct Authority {
    vault: Vault,
    mount: String,
    agent_role: String,
    server_role: String,
    trust_domain: TrustDomain,
    certificate_life: Duration,
    trust: watch::Sender<Arc<Trust>>,
    /// The roots that the last whole reading did not have.
    absent: Mutex<BTreeSet<KeyHash>>,
}

/// What is trusted now. Whoever looks after connections is told when it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// In order of their keys.
    pub roots: Vec<Root>,
    /// Of this replica's own certificate; `None` before it has one.
    pub own: Option<KeyHash>,
}

impl Trust {
    /// The root under which is signed now.
    pub fn signer(&self) -> Option<&KeyHash> {
        self.roots.iter().find(|root| root.signs).map(|root| &root.key)
    }

    /// The roots' keys.
    pub fn keys(&self) -> Vec<KeyHash> {
        self.roots.iter().map(|root| root.key.clone()).collect()
    }

    /// The roots' certificates.
    pub fn ders(&self) -> Vec<Vec<u8>> {
        self.roots.iter().map(|root| root.der.to_vec()).collect()
    }
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
            trust: watch::Sender::default(),
            absent: Mutex::default(),
        };
        let roots = authority.read().await?;
        authority.publish(Trust { roots, own: None });
        Ok(authority)
    }

    /// The roots as they are in Vault now: all of them, or an error.
    async fn read(&self) -> anyhow::Result<Vec<Root>> {
        let issuers =
            self.vault.issuers(&self.mount).await.with_context(|| format!("reading the issuers of PKI mount {}", self.mount))?;
        ensure!(
            !issuers.is_empty(),
            "PKI mount {} of the home Vault has no issuer: create a root there, see docs/install.md",
            self.mount
        );
        roots::of(&issuers)
    }

    /// What is to be trusted from now on; `publish` makes it so. What cannot be read, or is empty, is an error and changes nothing.
    pub async fn look(&self) -> anyhow::Result<Vec<Root>> {
        let read = self.read().await?;
        let trust = self.trust();
        let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        let (roots, now_absent) = roots::settle(&trust.roots, read, &absent, trust.own.as_ref());
        *absent = now_absent;
        Ok(roots)
    }

    /// Tells everybody, if it is another than before.
    pub fn publish(&self, trust: Trust) {
        self.trust.send_if_modified(|present| {
            let is_new = **present != trust;
            *present = Arc::new(trust);
            is_new
        });
    }

    /// What agents and callers trust.
    pub fn trust(&self) -> Arc<Trust> {
        self.trust.borrow().clone()
    }

    /// The same, and whenever it changes.
    pub fn watch_trust(&self) -> watch::Receiver<Arc<Trust>> {
        self.trust.subscribe()
    }

    /// `sha256:<hex>` of the public key of the root that this replica's certificate chains to, for a new agent to pin.
    pub fn pin(&self) -> anyhow::Result<String> {
        let trust = self.trust();
        trust.own.as_deref().or(trust.signer().map(Vec::as_slice)).map(fingerprint).ok_or_else(|| anyhow!("there is no root"))
    }

    /// The root that a certificate chains to, which is shown with others; `None` if that cannot be told.
    pub fn root_of(&self, chain: &[impl AsRef<[u8]>]) -> Option<KeyHash> {
        let trust = self.trust();
        let known = trust.roots.iter().map(|root| root.der.as_ref());
        let shown = chain.iter().skip(1).map(AsRef::as_ref);
        let among: Vec<Link> = known.chain(shown).filter_map(|der| Link::of(der).ok()).collect();
        let leaf = Link::of(chain.first()?.as_ref()).ok()?;
        let top = leaf.top(&among);
        (top.key != leaf.key).then(|| top.key.clone())
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
        self.vault.sign(&self.mount, &self.agent_role, &request).await.map(ordered)
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
        self.vault.sign(&self.mount, &self.server_role, &request).await.map(ordered)
    }
}

/// With the roots last. Some programs take the first certificate that fits for the issuer and look at no other: a root that they do not trust
/// must not come before the cross-signed certificate of the same key.
fn ordered(mut signed: Signed) -> Signed {
    let is_root = |der: &Vec<u8>| Link::of(der).is_ok_and(|link| link.is_self_signed());
    if let Some(issuers) = signed.chain_der.get_mut(1..) {
        issuers.sort_by_key(is_root);
    }
    signed
}

/// A key as it is shown, and pinned.
pub fn fingerprint(key: &[u8]) -> String {
    format!("sha256:{}", hex::encode(key))
}

fn key_hash(public_key_info: &[u8]) -> KeyHash {
    digest(&SHA256, public_key_info).as_ref().to_vec()
}

/// The hash of a certificate's public key.
pub fn certificate_key_hash(der: &[u8]) -> anyhow::Result<KeyHash> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| anyhow!("not a certificate"))?;
    Ok(key_hash(certificate.public_key().raw))
}

/// The hash of a signing request's public key. That the requester holds the key is checked by Vault, by the request's signature.
pub fn request_key_hash(csr_der: &[u8]) -> anyhow::Result<KeyHash> {
    let (rest, request) =
        X509CertificationRequest::from_der(csr_der).map_err(|_| anyhow!("not a certificate signing request"))?;
    ensure!(rest.is_empty(), "bytes follow the certificate signing request");
    Ok(key_hash(request.certification_request_info.subject_pki.raw))
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
