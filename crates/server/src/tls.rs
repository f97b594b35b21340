//! This replica's own certificate, and what each listener demands of its callers.
//!
//! A fresh `rustls` configuration is made for every certificate and put in place for the next handshake; streams that are open keep
//! theirs. TLS 1.3 only, without tickets or session storage: a resumed session would skip the check of the certificate.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::Authority;

/// Protocols offered: gRPC needs h2, REST takes both.
const GRPC: &[&[u8]] = &[b"h2"];
const HTTP: &[&[u8]] = &[b"h2", b"http/1.1"];

/// The listeners' present configurations.
pub struct Tls {
    authority: Arc<Authority>,
    names: Vec<String>,
    current: ArcSwap<Configurations>,
}

struct Configurations {
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    mutual: Arc<ServerConfig>,
    join: Arc<ServerConfig>,
    rest: Arc<ServerConfig>,
}

impl Tls {
    /// With a first certificate from the home Vault.
    pub async fn start(authority: Arc<Authority>, names: Vec<String>, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let first = make(&authority, &names, now).await?;
        Ok(Self { authority, names, current: ArcSwap::from_pointee(first) })
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

    /// Renews the certificate from a third of its life on; a failure leaves the present one in place.
    pub async fn activate(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        let current = self.current.load();
        if should_renew(current.not_before, current.not_after, now) {
            self.authority.refresh_roots().await?;
            self.current.store(Arc::new(make(&self.authority, &self.names, now).await?));
            tracing::info!("renewed this replica's certificate");
        }
        Ok(())
    }
}

/// Whether a third of the life is over.
fn should_renew(not_before: DateTime<Utc>, not_after: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now >= not_before + (not_after - not_before) / 3
}

async fn make(authority: &Authority, names: &[String], now: DateTime<Utc>) -> anyhow::Result<Configurations> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("generating this replica's key")?;
    let csr = CertificateParams::default().serialize_request(&key).context("making the certificate request")?;
    let signed = authority.sign_server(csr.der(), names).await.context("asking the home Vault for this replica's certificate")?;
    let chain: Vec<CertificateDer<'static>> = signed.chain_der.into_iter().map(CertificateDer::from).collect();
    let key = || PrivateKeyDer::try_from(key.serialize_der()).map_err(|e| anyhow::anyhow!("the generated key: {e}"));
    let mut roots = RootCertStore::empty();
    for root in authority.roots().iter() {
        roots.add(root.clone()).context("a root of the PKI mount")?;
    }
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().context("verifying agents")?;
    let plain = |chain: &[CertificateDer<'static>]| {
        anyhow::Ok(
            ServerConfig::builder_with_protocol_versions(&[&version::TLS13])
                .with_no_client_auth()
                .with_single_cert(chain.to_vec(), key()?)?,
        )
    };
    let mutual = ServerConfig::builder_with_protocol_versions(&[&version::TLS13])
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.clone(), key()?)?;
    Ok(Configurations {
        not_before: now,
        not_after: signed.not_after,
        mutual: finished(mutual, GRPC),
        join: finished(plain(&chain)?, GRPC),
        rest: finished(plain(&chain)?, HTTP),
    })
}

fn finished(mut config: ServerConfig, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    Arc::new(config)
}

/// How often the certificate is looked at.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(60);

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
