//! How the server is reached: TLS, limits, and which addresses a token may be sent to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use reqwest::{Certificate, Url};

/// Setting up a connection takes no longer on any network worth waiting for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A whole request; the server's own limit is below it.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// An HTTP client that trusts `certificate_authority`, or what the machine trusts if there is none.
pub(crate) fn build(certificate_authority: Option<&PathBuf>) -> anyhow::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("lockstep/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        // For `doctor`, which says when the server's certificate ends.
        .tls_info(true)
        // The API redirects nowhere, and a token belongs to one server.
        .redirect(reqwest::redirect::Policy::none());
    let builder = match certificate_authority {
        Some(file) => builder.tls_certs_only(certificates(file)?),
        None => builder,
    };
    builder.build().context("setting up TLS")
}

fn certificates(file: &Path) -> anyhow::Result<Vec<Certificate>> {
    let pem = std::fs::read(file).with_context(|| format!("cannot read the certificate authority {}", file.display()))?;
    let certificates = Certificate::from_pem_bundle(&pem);
    let certificates = certificates.with_context(|| format!("{} is not a PEM file of certificates", file.display()))?;
    if certificates.is_empty() {
        bail!("{} holds no certificate: it needs PEM blocks that begin with -----BEGIN CERTIFICATE-----", file.display());
    }
    Ok(certificates)
}

/// Reads a server's address. Tokens go over TLS only, except to this machine itself.
pub(crate) fn address(text: &str) -> anyhow::Result<Url> {
    let wrong = || {
        let meant =
            if text.contains("://") || text.is_empty() { "https://host:8443".to_owned() } else { format!("https://{text}") };
        anyhow!("{text:?} is not a server's address (--server, LOCKSTEP_SERVER or the context's): use a URL such as {meant}")
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(url),
        "http" if local => Ok(url),
        "http" => bail!("{text} is not encrypted, and the token would be readable on the way: use https://"),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_unencrypted_to_this_machine_only() {
        for good in ["https://lockstep.example.com:8443", "http://127.0.0.1:8443", "http://localhost:1", "http://[::1]:1"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["http://lockstep.example.com", "lockstep.example.com", "ftp://localhost", "localhost:8443", ""] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_url_is_told_with_the_url_that_was_probably_meant() {
        for (text, want) in
            [("host:8443", "such as https://host:8443"), ("lockstep", "such as https://lockstep"), ("ftp://x", "https://host")]
        {
            let message = address(text).unwrap_err().to_string();
            assert!(message.contains("--server") && message.contains(want), "{message}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello").unwrap();
        let message = build(Some(&file.path().to_path_buf())).unwrap_err().to_string();
        assert!(message.contains("holds no certificate"), "{message}");
    }
}
