//! The certificate that this replica shows, in memory only; another one from the next handshake on once it is renewed.

use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::ca::{Ca, Issued};
use super::rotation::{is_renewal_due, signer};

/// What is shown at the moment.
#[derive(Debug, Default)]
pub(super) struct Serving(RwLock<Option<Present>>);

#[derive(Debug)]
struct Present {
    shown: Arc<CertifiedKey>,
    /// Of the CA that signed it.
    issuer: String,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
}

impl Serving {
    /// TLS 1.3 only, HTTP/2, no tickets and no session storage. Who asks shows tokens, not a certificate.
    pub(super) fn config(self: Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13])?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(self);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }

    /// When what is shown ends.
    pub(super) fn not_after(&self) -> Option<DateTime<Utc>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|present| present.not_after)
    }

    /// Shows another certificate, if it is time or another CA signs now; whether it was.
    pub(super) fn renew(&self, list: &[Ca], names: &[String], now: DateTime<Utc>) -> anyhow::Result<bool> {
        let Some(ca) = signer(list.iter().map(|ca| ca.times), now).and_then(|at| list.get(at)) else { return Ok(false) };
        if self.is_good(ca, now) {
            return Ok(false);
        }
        let Issued { chain, key, not_before, not_after } = ca.issue(names, now).context("signing a certificate")?;
        let key = provider().key_provider.load_private_key(key).context("loading the certificate's key")?;
        let present =
            Present { shown: Arc::new(CertifiedKey::new(chain, key)), issuer: ca.certificate.clone(), not_before, not_after };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(present);
        Ok(true)
    }

    fn is_good(&self, ca: &Ca, now: DateTime<Utc>) -> bool {
        let present = self.0.read().unwrap_or_else(PoisonError::into_inner);
        present.as_ref().is_some_and(|present| {
            present.issuer == ca.certificate && !is_renewal_due(present.not_before, present.not_after, now)
        })
    }
}

impl ResolvesServerCert for Serving {
    /// `None`, which ends the handshake, until there is a CA.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|present| present.shown.clone())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests;
