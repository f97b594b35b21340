//! This replica's own certificate, and what each listener demands of its callers.
//!
//! A fresh `rustls` configuration is made for every certificate and put in place for the next handshake; streams that are open keep
//! theirs. TLS 1.3 only, without tickets or session storage: a resumed session would skip the check of the certificate.

use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::{Authority, KeyHash, Root, Trust, fingerprint};

/// Protocols offered: gRPC needs h2, REST takes both.
const GRPC: &[&[u8]] = &[b"h2"];
const HTTP: &[&[u8]] = &[b"h2", b"http/1.1"];

/// The listeners' present configurations.
pub struct Tls {
    authority: Arc<Authority>,
    names: Vec<String>,
    current: ArcSwap<Current>,
    /// One round at a time, however slow Vault is.
    turn: tokio::sync::Mutex<()>,
}

/// A certificate of this replica, and its key.
struct Own {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    /// The root that it chains to.
    root: Option<KeyHash>,
    /// The root that signed when it was asked for. A role may name another issuer: then no second request would give what was wanted.
    asked_of: Option<KeyHash>,
}

struct Current {
    own: Arc<Own>,
    roots: Vec<Root>,
    mutual: Arc<ServerConfig>,
    join: Arc<ServerConfig>,
    rest: Arc<ServerConfig>,
}

impl Tls {
    /// With a first certificate from the home Vault.
    pub async fn start(authority: Arc<Authority>, names: Vec<String>, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let roots = authority.trust().roots.clone();
        let own = Arc::new(obtain(&authority, &names, &roots, now).await?);
        let current = configure(own.clone(), roots.clone())?;
        authority.publish(Trust { roots, own: own.root.clone() });
        Ok(Self { authority, names, current: ArcSwap::from_pointee(current), turn: tokio::sync::Mutex::default() })
    }

    /// For agents: mutual TLS.
    pub fn mutual(&self) -> Arc<ServerConfig> {
        self.current.load().mutual.clone()
    }

    /// For joining agents: server-authenticated; the root is sent along, so that its key can be pinned.
    pub fn join(&self) -> Arc<ServerConfig> {
        self.current.load().join.clone()
    }

    /// For REST.
    pub fn rest(&self) -> Arc<ServerConfig> {
        self.current.load().rest.clone()
    }

    /// The end of this replica's certificate.
    pub fn not_after(&self) -> DateTime<Utc> {
        self.current.load().own.not_after
    }

    /// How long that lives, from when it was signed.
    pub fn life(&self) -> TimeDelta {
        let current = self.current.load();
        current.own.not_after - current.own.not_before
    }

    /// Looks at the roots, and renews the certificate from a third of its life on, or when another root signs. Whatever fails leaves what is
    /// there in place.
    pub async fn activate(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        let _turn = self.turn.lock().await;
        let current = self.current.load_full();
        let (roots, unread) = match self.authority.look().await {
            Ok(roots) => (roots, None),
            Err(error) => (current.roots.clone(), Some(error)),
        };
        let (own, unsigned) = match self.renewed(&current.own, &roots, now).await {
            Ok(own) => (own, None),
            Err(error) => (current.own.clone(), Some(error)),
        };
        if roots != current.roots || !Arc::ptr_eq(&own, &current.own) {
            self.current.store(Arc::new(configure(own.clone(), roots.clone())?));
        }
        // Told once the listeners trust them: an agent may come with a certificate of the newest at once.
        self.authority.publish(Trust { roots, own: own.root.clone() });
        unread.or(unsigned).map_or(Ok(()), Err)
    }

    async fn renewed(&self, own: &Arc<Own>, roots: &[Root], now: DateTime<Utc>) -> anyhow::Result<Arc<Own>> {
        let is_switched = signer(roots).is_some_and(|signer| own.asked_of.as_ref() != Some(signer));
        if !is_switched && !should_renew(own.not_before, own.not_after, now) {
            return Ok(own.clone());
        }
        let renewed = obtain(&self.authority, &self.names, roots, now).await?;
        let root = renewed.root.as_deref().map(fingerprint);
        tracing::info!(root, is_switched, "renewed this replica's certificate");
        Ok(Arc::new(renewed))
    }
}

fn signer(roots: &[Root]) -> Option<&KeyHash> {
    roots.iter().find(|root| root.signs).map(|root| &root.key)
}

/// Whether a third of the life is over.
fn should_renew(not_before: DateTime<Utc>, not_after: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now >= not_before + (not_after - not_before) / 3
}

async fn obtain(authority: &Authority, names: &[String], roots: &[Root], now: DateTime<Utc>) -> anyhow::Result<Own> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("generating this replica's key")?;
    let csr = CertificateParams::default().serialize_request(&key).context("making the certificate request")?;
    let signed = authority.sign_server(csr.der(), names).await.context("asking the home Vault for this replica's certificate")?;
    Ok(Own {
        root: authority.root_of(&signed.chain_der),
        chain: signed.chain_der.into_iter().map(CertificateDer::from).collect(),
        key: PrivateKeyDer::try_from(key.serialize_der()).map_err(|e| anyhow::anyhow!("the generated key: {e}"))?,
        not_before: now,
        not_after: signed.not_after,
        asked_of: signer(roots).cloned(),
    })
}

fn configure(own: Arc<Own>, roots: Vec<Root>) -> anyhow::Result<Current> {
    let mut store = RootCertStore::empty();
    for root in &roots {
        store.add(root.der.clone()).context("a root of the PKI mount")?;
    }
    let verifier = WebPkiClientVerifier::builder(Arc::new(store)).build().context("verifying agents")?;
    let plain = || {
        let builder = ServerConfig::builder_with_protocol_versions(&[&version::TLS13]).with_no_client_auth();
        anyhow::Ok(builder.with_single_cert(own.chain.clone(), own.key.clone_key())?)
    };
    let mutual = ServerConfig::builder_with_protocol_versions(&[&version::TLS13])
        .with_client_cert_verifier(verifier)
        .with_single_cert(own.chain.clone(), own.key.clone_key())?;
    let (mutual, join, rest) = (finished(mutual, GRPC), finished(plain()?, GRPC), finished(plain()?, HTTP));
    Ok(Current { own, roots, mutual, join, rest })
}

fn finished(mut config: ServerConfig, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    Arc::new(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_from_a_third_of_its_life_on() {
        let at = |h| DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(h);
        assert!(!should_renew(at(0), at(9), at(2)));
        assert!(should_renew(at(0), at(9), at(3)));
        assert!(should_renew(at(0), at(9), at(20)));
    }
}
