//! Asking an issuer for its keys (OpenID Connect Discovery 1.0): its discovery document, then what that names.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use serde::Deserialize;

use super::key::{self, Key};
use super::refused::quoted;
use crate::config::{OidcIssuer, secure_url};

/// For both documents together.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest document, in bytes. Keys with certificate chains take a few KiB each.
pub(super) const DOCUMENT_MAX_BYTES: usize = 256 << 10;

const DISCOVERY: &str = "discovery document";
const KEYS: &str = "key set";

/// Why an issuer's keys could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nobody asked so far.
    #[error("it was not asked yet")]
    NotAsked,
    /// It took too long.
    #[error("it did not answer within {} s", ASK_TIMEOUT.as_secs())]
    TimedOut,
    /// There was no answer.
    #[error("asking for its {what} failed: {why}")]
    Exchange {
        /// Which document.
        what: &'static str,
        /// The innermost cause.
        why: String,
    },
    /// The answer is no success. A redirect is none either: it could lead anywhere.
    #[error("it answered {status} instead of its {what}")]
    Status {
        /// Which document.
        what: &'static str,
        /// HTTP's.
        status: u16,
    },
    /// The answer is too long.
    #[error("its {what} is larger than {DOCUMENT_MAX_BYTES} bytes")]
    TooLarge {
        /// Which document.
        what: &'static str,
    },
    /// The answer is something else.
    #[error("what it answered is no {what}")]
    Document {
        /// Which document.
        what: &'static str,
    },
    /// Somebody else answered, or the configuration spells the issuer differently.
    #[error("its discovery document is one of {found:?}: spell `issuer` in the server's configuration like this, if it is meant")]
    OtherIssuer {
        /// Who.
        found: String,
    },
    /// The keys are where anybody could change them on the way.
    #[error("its discovery document names no https address for its keys")]
    KeysAddress,
}

/// An issuer, and how it is reached.
pub(super) struct Provider {
    issuer: String,
    client: Client,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Provider {
    pub(super) fn new(config: &OidcIssuer) -> anyhow::Result<Self> {
        let url = secure_url(&config.issuer)?;
        let mut builder = Client::builder().redirect(Policy::none()).tls_backend_rustls();
        if url.scheme() == "http" {
            // Loopback: a proxy would not find it, and there is no need to load the system's certificates.
            builder = builder.no_proxy().tls_certs_only(Vec::new());
        } else if let Some(file) = &config.ca_file {
            let pem = std::fs::read(file).with_context(|| format!("reading caFile {}", file.display()))?;
            let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
            ensure!(!certificates.is_empty(), "caFile {} holds no PEM certificate", file.display());
            builder = builder.tls_certs_only(certificates);
        }
        Ok(Self { issuer: config.issuer.clone(), client: builder.build().context("setting up TLS")? })
    }

    /// All keys that the issuer publishes now.
    pub(super) async fn keys(&self) -> Result<Vec<Key>, Failure> {
        tokio::time::timeout(ASK_TIMEOUT, self.ask()).await.unwrap_or(Err(Failure::TimedOut))
    }

    async fn ask(&self) -> Result<Vec<Key>, Failure> {
        let address = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let discovery = self.fetch(&address, DISCOVERY).await?;
        let address = keys_address(&self.issuer, &discovery)?;
        key::read(&self.fetch(address.as_str(), KEYS).await?).ok_or(Failure::Document { what: KEYS })
    }

    async fn fetch(&self, address: &str, what: &'static str) -> Result<Vec<u8>, Failure> {
        let failed = |error: reqwest::Error| Failure::Exchange { what, why: innermost(&error) };
        let mut response = self.client.get(address).send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(Failure::Status { what, status: response.status().as_u16() });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > DOCUMENT_MAX_BYTES {
                return Err(Failure::TooLarge { what });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Where the keys are, if the document is the issuer's own.
fn keys_address(issuer: &str, document: &[u8]) -> Result<Url, Failure> {
    let discovery: Discovery = serde_json::from_slice(document).map_err(|_| Failure::Document { what: DISCOVERY })?;
    if discovery.issuer != issuer {
        return Err(Failure::OtherIssuer { found: quoted(&discovery.issuer) });
    }
    let address = secure_keys_url(&discovery.jwks_uri).ok_or(Failure::KeysAddress)?;
    // An issuer beyond this machine cannot have its keys on it.
    if address.scheme() == "http" && issuer.starts_with("https:") { Err(Failure::KeysAddress) } else { Ok(address) }
}

/// As [`secure_url`], but for a query, which some issuers have there.
fn secure_keys_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let mut bare = url.clone();
    bare.set_query(None);
    secure_url(bare.as_str()).ok().map(|_| url)
}

/// The cause that says most; the outer ones repeat the address.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_asked_for_only_where_the_issuers_own_document_says_and_nobody_can_change_them() {
        let issuer = "https://issuer.example.com";
        let read = |issuer: &str, found: &str, keys: &str| {
            let document = json!({"issuer": found, "jwks_uri": keys, "scopes_supported": ["openid"]});
            keys_address(issuer, document.to_string().as_bytes()).map(String::from)
        };
        for good in ["https://issuer.example.com/keys", "https://keys.example.com/of?issuer=1"] {
            assert_eq!(read(issuer, issuer, good).as_deref(), Ok(good));
        }
        for bad in ["http://issuer.example.com/keys", "http://127.0.0.1/keys", "file:///etc/passwd", "https://u:p@a/keys", "keys"]
        {
            assert_eq!(read(issuer, issuer, bad), Err(Failure::KeysAddress), "{bad}");
        }
        assert!(read("http://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:1/keys").is_ok());
        for other in ["https://issuer.example.com/", "https://other.example.com", ""] {
            assert_eq!(read(issuer, other, "https://a/keys"), Err(Failure::OtherIssuer { found: other.to_owned() }));
        }
        for junk in ["", "{}", "[]", "<html>", r#"{"issuer": 1, "jwks_uri": []}"#] {
            let refused = keys_address(issuer, junk.as_bytes()).map(String::from);
            assert_eq!(refused, Err(Failure::Document { what: DISCOVERY }), "{junk}");
        }
    }

    #[test]
    fn a_ca_file_that_holds_none_is_named_at_start() {
        let config = |file: &std::path::Path| -> OidcIssuer {
            let config = json!({"name": "a", "issuer": "https://a.example.com", "audience": "b", "caFile": file});
            serde_json::from_value(config).unwrap()
        };
        let folder = lockstep_testbed::Folder::new("oidc").unwrap();
        let file = folder.path().join("ca.pem");
        let missing = Provider::new(&config(&file)).err().map(|error| format!("{error:#}")).unwrap();
        assert!(missing.starts_with("reading caFile"), "{missing}");
        std::fs::write(&file, "hello").unwrap();
        let empty = Provider::new(&config(&file)).err().map(|error| format!("{error:#}")).unwrap();
        assert!(empty.ends_with("holds no PEM certificate"), "{empty}");
    }
}
