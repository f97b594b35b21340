//! Certificates from the PKI engine.

use std::time::Duration;

use lockstep_testbed::OpenBao;
use lockstep_vault::{Csr, SignRequest, Vault, VaultError};
use serde_json::json;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::fixture::client;

const ROLE: &str = "agent";

async fn pki(mount: &str) -> &'static OpenBao {
    let bao = OpenBao::shared().await.unwrap();
    bao.enable_pki(mount).await.unwrap();
    let role = json!({
        "use_csr_common_name": false, "use_csr_sans": false, "require_cn": false, "key_type": "any",
        "allowed_uri_sans": ["spiffe://lockstep.test/*"], "client_flag": true, "server_flag": false, "max_ttl": "168h",
    });
    bao.request("POST", &format!("{mount}/roles/{ROLE}"), Some(role)).await.unwrap();
    bao
}

/// Asks for names of its own, which must not come through.
fn csr() -> rcgen::CertificateSigningRequest {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut wanted = rcgen::CertificateParams::new(vec!["evil.test".to_owned()]).unwrap();
    wanted.distinguished_name.push(rcgen::DnType::CommonName, "evil");
    wanted.serialize_request(&key).unwrap()
}

fn request(csr: Csr, uri: &str) -> SignRequest {
    let ttl = Duration::from_hours(1);
    SignRequest { csr, uri_sans: vec![uri.to_owned()], dns_sans: vec![], ip_sans: vec![], ttl }
}

#[tokio::test]
async fn a_certificate_has_the_names_of_the_call_and_a_chain_to_the_root() {
    let bao = pki("pki-sign").await;
    let client = client(bao, bao.root_token());
    let uri = "spiffe://lockstep.test/cluster/1/agent/2";
    let csr = csr();
    for csr in [Csr::Der(csr.der().to_vec()), Csr::Pem(csr.pem().unwrap())] {
        let signed = client.vault.sign("pki-sign", ROLE, &request(csr, uri)).await.unwrap();
        let issuers = client.vault.issuers("pki-sign").await.unwrap();
        assert_eq!(issuers.len(), 1);
        assert_eq!(signed.chain_der.len(), 2);
        assert_eq!(signed.chain_der[1..], issuers[0].chain_der);
        let (_, leaf) = X509Certificate::from_der(&signed.chain_der[0]).unwrap();
        let names = &leaf.subject_alternative_name().unwrap().unwrap().value.general_names;
        assert_eq!(names, &[GeneralName::URI(uri)]);
        assert_eq!(leaf.subject().iter_common_name().count(), 0);
        assert_eq!(leaf.validity().not_after.timestamp(), signed.not_after.timestamp());
        assert_eq!(leaf.raw_serial_as_string(), signed.serial);
    }
}

#[tokio::test]
async fn a_name_outside_the_role_and_an_unknown_role_are_refused_with_what_to_do() {
    let bao = pki("pki-refuse").await;
    let client = client(bao, bao.root_token());
    let csr = || Csr::Der(csr().der().to_vec());
    let good = "spiffe://lockstep.test/a";
    for (role, csr, uri, says) in [
        (ROLE, csr(), "spiffe://elsewhere.test/a", "does not allow one of the names"),
        ("nobody", csr(), good, "no such PKI role"),
        (ROLE, Csr::Pem("nothing".to_owned()), good, "signing request"),
    ] {
        let error = client.vault.sign("pki-refuse", role, &request(csr, uri)).await.unwrap_err();
        assert!(matches!(error, VaultError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// The issuers of a mount: name, length of the chain, whether it signs.
async fn listed(vault: &Vault, mount: &str) -> Vec<(String, usize, bool)> {
    let issuers = vault.issuers(mount).await.unwrap();
    let mut listed: Vec<_> = issuers.into_iter().map(|issuer| (issuer.name, issuer.chain_der.len(), issuer.signs)).collect();
    listed.sort();
    listed
}

#[tokio::test]
async fn of_several_issuers_the_default_one_signs_and_a_cross_signed_one_leads_to_both_roots() {
    let bao = pki("pki-rotate").await;
    let client = client(bao, bao.root_token());
    let named = |name: &str, chain, signs| (name.to_owned(), chain, signs);
    let old = bao.next_root("pki-rotate", "next").await.unwrap();
    assert_eq!(listed(&client.vault, "pki-rotate").await, [named("", 1, true), named("next", 1, false)]);
    bao.cross_sign("pki-rotate", "next", &old).await.unwrap();
    let all = [named("", 1, true), named("", 3, false), named("next", 3, false)];
    assert_eq!(listed(&client.vault, "pki-rotate").await, all);
    bao.sign_with("pki-rotate", "next").await.unwrap();
    let csr = Csr::Der(csr().der().to_vec());
    let signed = client.vault.sign("pki-rotate", ROLE, &request(csr, "spiffe://lockstep.test/a")).await.unwrap();
    assert_eq!(signed.chain_der.len(), 4, "with both roots, and what links them");
    bao.remove_issuer("pki-rotate", &old).await.unwrap();
    assert_eq!(listed(&client.vault, "pki-rotate").await, [named("", 2, false), named("next", 2, true)]);
}

#[tokio::test]
async fn an_intermediates_chain_leads_to_the_root_elsewhere_and_an_engine_without_issuers_has_none() {
    let bao = pki("pki-top").await;
    let client = client(bao, bao.root_token());
    let root = client.vault.issuers("pki-top").await.unwrap().remove(0);
    bao.enable_engine("pki-below", "pki").await.unwrap();
    assert_eq!(client.vault.issuers("pki-below").await, Ok(vec![]));
    let wanted = json!({ "common_name": "intermediate", "key_type": "ec" });
    let made = bao.request("POST", "pki-below/intermediate/generate/internal", Some(wanted)).await.unwrap();
    let csr = json!({ "csr": made["data"]["csr"], "common_name": "intermediate", "ttl": "8760h" });
    let signed = bao.request("POST", "pki-top/root/sign-intermediate", Some(csr)).await.unwrap();
    let chain =
        format!("{}\n{}", signed["data"]["certificate"].as_str().unwrap(), signed["data"]["issuing_ca"].as_str().unwrap());
    bao.request("POST", "pki-below/intermediate/set-signed", Some(json!({ "certificate": chain }))).await.unwrap();
    let below = client.vault.issuers("pki-below").await.unwrap();
    assert!(below.iter().all(|issuer| issuer.chain_der.last() == root.chain_der.first()), "{below:?}");
    assert_eq!(below.iter().filter(|issuer| issuer.signs).count(), 1);
}
