//! The nodes of one Vault, each with an HTTP client of its own.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use lockstep_core::source::ADDRESSES_MAX;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Identity, Url};

use crate::error::VaultError;
use crate::settings::Settings;

/// Connections to one node that are kept for the next requests.
pub const IDLE_CONNECTIONS_MAX: usize = 32;

/// One address and its client.
pub(crate) struct Node {
    pub(crate) base: Url,
    /// Made anew when another certificate is to be shown.
    client: RwLock<Client>,
}

/// What the clients of all nodes have in common.
pub(crate) struct Trust {
    /// `None`: the system's.
    certificates: Option<Vec<Certificate>>,
    connect_timeout: Duration,
}

impl Node {
    /// The client to send with.
    pub(crate) fn client(&self) -> Client {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on shows this certificate.
    pub(crate) fn present(&self, trust: &Trust, identity: &Identity) -> Result<(), VaultError> {
        let client = client(&self.base, trust, Some(identity))?;
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = client;
        Ok(())
    }

    /// For errors. It has no credentials in it: such addresses are refused.
    pub(crate) fn address(&self) -> String {
        self.base.origin().ascii_serialization()
    }
}

/// A node for each address, and what their clients have in common.
pub(crate) fn all(settings: &Settings) -> Result<(Vec<Node>, Trust), VaultError> {
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
    let trust = Trust { certificates, connect_timeout };
    let one = |address: &String| {
        let base = parse(address)?;
        let client = RwLock::new(client(&base, &trust, None)?);
        Ok(Node { base, client })
    };
    let nodes = settings.addresses.iter().map(one).collect::<Result<_, VaultError>>()?;
    Ok((nodes, trust))
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

fn client(base: &Url, trust: &Trust, identity: Option<&Identity>) -> Result<Client, VaultError> {
    // No redirects: a node that names another must not lead the token to any host it likes.
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(trust.connect_timeout)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .tls_backend_rustls();
    if base.scheme() == "http" {
        // A proxy on the way would see tokens in the clear; and no need to load the system's certificates.
        builder = builder.no_proxy().tls_certs_only(Vec::new());
    } else if let Some(certificates) = &trust.certificates {
        builder = builder.tls_certs_only(certificates.clone());
    }
    if let Some(identity) = identity {
        builder = builder.identity(identity.clone());
    }
    builder.build().map_err(|_| unusable("no TLS client can be made from the CA and the system's certificates".to_owned()))
}

fn unusable(why: String) -> VaultError {
    VaultError::Settings { why }
}
