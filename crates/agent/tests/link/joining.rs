use std::fs;
use std::os::unix::fs::PermissionsExt;

use lockstep_agent::tls::pin::Pin;
use rcgen::{CertificateSigningRequestParams, PublicKeyData};
use rustls_pki_types::CertificateSigningRequestDer;

use crate::capture;
use crate::fixture::{Fixture, PATIENCE};
use crate::server::TOKEN;

fn public_key(csr_der: &[u8]) -> Vec<u8> {
    let der = CertificateSigningRequestDer::from(csr_der.to_vec());
    CertificateSigningRequestParams::from_der(&der).unwrap().public_key.subject_public_key_info()
}

#[tokio::test]
async fn an_agent_joins_with_the_right_pin_and_links_with_its_certificate() {
    let lines = capture::begin();
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (_link, hello) = fixture.linked().await;
    assert_eq!((hello.sinks, hello.inventory.len(), hello.floor), (vec!["directory".to_owned()], 0, None));
    assert_eq!(fixture.server.shared.shown.lock().unwrap().len(), 1);
    let state = &fixture.state();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(state), mode(&state.join("identity.json"))), (0o700, 0o600));
    running.end().await.unwrap();
    assert!(lines.text().contains("joined") && !lines.text().contains(TOKEN));
    // The token and the pin are not needed any more.
    (fixture.arguments.token_file, fixture.arguments.pin) = (None, None);
    let running = fixture.start();
    fixture.linked().await;
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_wrong_pin_is_refused_before_the_token_is_sent() {
    let mut fixture = Fixture::new().await;
    fixture.arguments.pin = Some(Pin::of(b"another key"));
    let running = fixture.start();
    let error = tokio::time::timeout(PATIENCE, running.ended).await.unwrap().unwrap().unwrap_err().to_string();
    assert!(error.contains("--pin") && !error.contains(TOKEN), "{error}");
    assert!(fixture.server.shared.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_refused_token_ends_the_agent_with_one_sentence() {
    let mut fixture = Fixture::new().await;
    fs::write(fixture.arguments.token_file.as_ref().unwrap(), "canary-other").unwrap();
    let running = fixture.start();
    let error = tokio::time::timeout(PATIENCE, running.ended).await.unwrap().unwrap().unwrap_err().to_string();
    assert!(error.contains("ask for a new one") && !error.contains("canary"), "{error}");
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let mut fixture = Fixture::new().await;
    *fixture.server.shared.lost_answers.lock().unwrap() = 2;
    let running = fixture.start();
    fixture.linked().await;
    let requests = fixture.server.shared.requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|csr| public_key(csr) == public_key(&requests[0])));
    running.end().await.unwrap();
}

#[tokio::test]
async fn without_identity_and_token_the_agent_says_what_is_missing() {
    let mut fixture = Fixture::new().await;
    fixture.arguments.token_file = None;
    let error = fixture.start().ended.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("--join, --token-file and --pin"), "{error}");
}

#[tokio::test]
async fn an_identity_that_everybody_may_read_is_refused() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    fixture.linked().await;
    running.end().await.unwrap();
    let path = fixture.state().join("identity.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = fixture.start().ended.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("identity.json") && error.contains("chmod 600"), "{error}");
}
