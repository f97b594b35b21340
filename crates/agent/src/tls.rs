//! TLS as the agent speaks it: 1.3 only, HTTP/2, no session storage and no tickets.

pub mod pin;

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;

use crate::state::identity::Identity;
use pin::{Pin, PinVerifier};

const PROTOCOLS: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// What a join listener must show.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trust<'a> {
    /// A chain to the root with this public key: before the agent joined.
    Pin(Pin),
    /// A chain to one of these: afterwards.
    Roots(&'a [CertificateDer<'static>]),
}

/// For the agents' listener: both sides show a certificate.
pub(crate) fn for_link(identity: &Identity) -> Result<Arc<ClientConfig>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(PROTOCOLS)?;
    let builder = builder.with_root_certificates(root_store(&identity.roots)?);
    Ok(finished(builder.with_client_auth_cert(identity.chain.clone(), identity.key.to_tls())?))
}

/// For the join listener: only the server shows a certificate.
pub(crate) fn for_join(trust: Trust<'_>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(PROTOCOLS)?;
    Ok(finished(match trust {
        Trust::Roots(roots) => builder.with_root_certificates(root_store(roots)?).with_no_client_auth(),
        Trust::Pin(pin) => {
            let verifier = Arc::new(PinVerifier::new(pin, provider()));
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
    }))
}

fn finished(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

fn root_store(roots: &[CertificateDer<'static>]) -> Result<RootCertStore, rustls::Error> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone())?;
    }
    Ok(store)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
