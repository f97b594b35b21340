//! TLS with a CA of the source's own.

use std::fs;

use lockstep_testbed::{OpenBao, port};
use lockstep_vault::{Cause, Health, VaultError};
use tempfile::TempDir;

use crate::fixture::with;

#[tokio::test]
async fn only_the_sources_own_ca_is_trusted() {
    let folder = TempDir::new().unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    fs::write(&certificate, own.cert.pem()).unwrap();
    fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let port = port::free().unwrap();
    let listener = format!(
        "listener \"tcp\" {{\n address = \"127.0.0.1:{port}\"\n tls_cert_file = \"{}\"\n tls_key_file = \"{}\"\n}}\n",
        certificate.display(),
        key.display()
    );
    let _bao = OpenBao::start_with(&listener).await.unwrap();
    let address = format!("https://127.0.0.1:{port}");
    let trusting = |pem: String| with("s.any", |settings| settings.ca_pem = Some(pem), &[&address]);
    assert_eq!(trusting(own.cert.pem()).vault.health().await, Ok(Health::Active));
    let error = trusting(other.cert.pem()).vault.health().await.unwrap_err();
    assert!(matches!(error, VaultError::Unavailable { cause: Cause::Tls(_), .. }), "{error:?}");
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    let system = with("s.any", |_| {}, &[&address]).vault.health().await;
    assert!(matches!(system, Err(VaultError::Unavailable { cause: Cause::Tls(_), .. })), "{system:?}");
}
