//! The nodes of one Vault, each with an HTTP client of its own.

use std::time::Duration;

use lockstep_core::source::ADDRESSES_MAX;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};

use crate::error::VaultError;
use crate::settings::Settings;

/// Connections to one node that are kept for the next requests.
pub const IDLE_CONNECTIONS_MAX: usize = 32;

/// One address and its client.
pub(crate) struct Node {
    pub(crate) base: Url,
    pub(crate) client: Client,
}

impl Node {
    /// For errors. It has no credentials in it: such addresses are refused.
    pub(crate) fn address(&self) -> String {
        self.base.origin().ascii_serialization()
    }
}

/// A node for each address.
pub(crate) fn all(settings: &Settings) -> Result<Vec<Node>, VaultError> {
    let count = settings.addresses.len();
    if count == 0 || count > ADDRESSES_MAX {
        return Err(unusable(format!("give 1 to {ADDRESSES_MAX} addresses, not {count}")));
    }
    // So that a node that swallows packets leaves time for the others.
    let connect_timeout = settings.timeout / u32::try_from(count + 1).unwrap_or(u32::MAX);
    let certificates = match &settings.ca_pem {
        Some(pem) => Some(certificates(pem)?),
        None => None,
    };
    settings
        .addresses
        .iter()
        .map(|address| {
            let base = parse(address)?;
            let client = client(&base, certificates.as_deref(), connect_timeout)?;
            Ok(Node { base, client })
        })
        .collect()
}

fn parse(address: &str) -> Result<Url, VaultError> {
    // The text itself is not quoted: it may hold a password.
    let wrong = || unusable("an address is not of the form https://host:port".to_owned());
    let url = Url::parse(address).map_err(|_| wrong())?;
    let has_extras = !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some();
    if has_extras || !matches!(url.scheme(), "https" | "http") || url.cannot_be_a_base() {
        return Err(wrong());
    }
    Ok(url)
}

fn certificates(pem: &str) -> Result<Vec<Certificate>, VaultError> {
    let certificates = Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
    if certificates.is_empty() {
        return Err(unusable("the CA holds no PEM certificate".to_owned()));
    }
    Ok(certificates)
}

fn client(base: &Url, certificates: Option<&[Certificate]>, connect_timeout: Duration) -> Result<Client, VaultError> {
    // No redirects: a node that names another must not lead the token to any host it likes.
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(connect_timeout)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .tls_backend_rustls();
    if base.scheme() == "http" {
        // A proxy on the way would see tokens in the clear; and no need to load the system's certificates.
        builder = builder.no_proxy().tls_certs_only(Vec::new());
    } else if let Some(certificates) = certificates {
        builder = builder.tls_certs_only(certificates.to_vec());
    }
    builder.build().map_err(|_| unusable("no TLS client can be made from the CA and the system's certificates".to_owned()))
}

fn unusable(why: String) -> VaultError {
    VaultError::Settings { why }
}
