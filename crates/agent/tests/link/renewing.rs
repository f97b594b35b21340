use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use chrono::{TimeDelta, Utc};
use lockstep_proto::RENEW_CONTEXT;
use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_proto::v1::{Certificate, CertificateRequest};
use rcgen::{CertificateSigningRequestParams, PublicKeyData};
use rustls_pki_types::CertificateSigningRequestDer;

use crate::fixture::{Fixture, content, put};

#[tokio::test]
async fn a_certificate_in_its_second_half_is_renewed_with_a_new_key_over_the_same_stream() {
    let mut fixture = Fixture::new().await;
    *fixture.server.shared.validity.lock().unwrap() = (-TimeDelta::days(4), TimeDelta::days(3));
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    let FromAgent::CertificateRequest(CertificateRequest { csr_der }) = link.hear().await else { panic!("a request") };
    let shared = fixture.server.shared.clone();
    assert_ne!(public_key(&csr_der), public_key(&shared.requests.lock().unwrap()[0]), "a new key");
    let leaf = shared.authority.agent(&csr_der, Utc::now(), Utc::now() + TimeDelta::days(7));
    let roots_der = vec![shared.authority.root.to_vec()];
    link.say(FromServer::Certificate(Certificate { chain_der: vec![leaf.clone()], roots_der, refused: String::new() }));
    link.say(FromServer::Put(put(5, "out", &content(&[("K", "v")]))));
    assert!(matches!(link.hear().await, FromAgent::Trusting(_)), "it says that it took it");
    assert!(matches!(link.hear().await, FromAgent::Ack(_)), "the stream goes on");
    assert_eq!(shared.shown.lock().unwrap().len(), 1);
    drop(link);
    fixture.linked().await;
    assert_eq!(shared.shown.lock().unwrap().last(), Some(&leaf), "the next connection shows the new one");
    running.end().await.unwrap();
}

#[tokio::test]
async fn an_expired_certificate_is_renewed_on_the_join_listener_with_the_recorded_key() {
    let mut fixture = Fixture::new().await;
    *fixture.server.shared.validity.lock().unwrap() = (-TimeDelta::days(8), -TimeDelta::days(1));
    let running = fixture.start();
    let shared = fixture.server.shared.clone();
    // The first answer of the join listener is expired already; from then on it issues good ones.
    while shared.requests.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    *shared.validity.lock().unwrap() = (TimeDelta::zero(), TimeDelta::days(7));
    fixture.linked().await;
    let requests = shared.requests.lock().unwrap().clone();
    assert_eq!(public_key(&requests[0]), public_key(requests.last().unwrap()), "the recorded key");
    let (nonce, signature) = shared.nonce_signature.lock().unwrap().clone().unwrap();
    let der = CertificateSigningRequestDer::from(requests[0].clone());
    let key = CertificateSigningRequestParams::from_der(&der).unwrap().public_key;
    let message = [RENEW_CONTEXT, &nonce].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.der_bytes()).verify(&message, &signature).unwrap();
    running.end().await.unwrap();
}

fn public_key(csr_der: &[u8]) -> Vec<u8> {
    let der = CertificateSigningRequestDer::from(csr_der.to_vec());
    CertificateSigningRequestParams::from_der(&der).unwrap().public_key.subject_public_key_info()
}
