//! Certificates with their keys from the PKI engine.

use std::time::Duration;

use chrono::Utc;
use lockstep_core::kv::KvMount;
use lockstep_testbed::OpenBao;
use lockstep_vault::{IssueRequest, PkiRole, VaultError};
use rcgen::PublicKeyData as _;
use serde_json::json;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::fixture::{Client, client, path};

async fn pki(mount: &str) -> (&'static OpenBao, KvMount, Client) {
    let bao = OpenBao::shared().await.unwrap();
    bao.enable_pki(mount).await.unwrap();
    for (name, kind, bits) in [("ec", "ec", 256), ("rsa", "rsa", 2048), ("ed25519", "ed25519", 0)] {
        let role = json!({
            "key_type": kind, "key_bits": bits, "allowed_domains": ["shop.test"], "allow_subdomains": true, "allow_ip_sans": true,
            "allowed_uri_sans": ["spiffe://shop.test/*"], "ttl": "1h", "max_ttl": "2h",
        });
        bao.request("POST", &format!("{mount}/roles/{name}"), Some(role)).await.unwrap();
    }
    (bao, mount.parse().unwrap(), client(bao, bao.root_token()))
}

fn wanted() -> IssueRequest {
    IssueRequest {
        common_name: "web.shop.test".to_owned(),
        alt_names: vec!["api.shop.test".to_owned()],
        ip_sans: vec!["10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        uri_sans: vec!["spiffe://shop.test/web".to_owned()],
        ttl: Some(Duration::from_mins(30)),
    }
}

#[tokio::test]
async fn a_certificate_has_the_names_asked_for_and_its_own_key_of_the_roles_kind() {
    let (_, mount, client) = pki("issue-names").await;
    for role in ["ec", "rsa", "ed25519"] {
        let issued = client.vault.issue(&mount, &path(role), &wanted()).await.unwrap();
        let key = std::str::from_utf8(issued.key.expose()).unwrap();
        assert!(key.starts_with("-----BEGIN PRIVATE KEY-----\n"), "PKCS #8, whatever the kind");
        let key = rcgen::KeyPair::from_pem(key).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(issued.certificate.as_bytes()).unwrap();
        let leaf = pem.parse_x509().unwrap();
        assert_eq!(leaf.public_key().raw, key.subject_public_key_info(), "{role}");
        assert_eq!(leaf.validity().not_after.timestamp(), issued.not_after.timestamp());
        assert!((issued.not_after - Utc::now()).num_minutes() <= 30);
        assert_eq!(leaf.raw_serial_as_string(), issued.serial);
        let names = &leaf.subject_alternative_name().unwrap().unwrap().value.general_names;
        for name in ["web.shop.test", "api.shop.test"] {
            assert!(names.contains(&GeneralName::DNSName(name)), "{names:?}");
        }
        assert!(names.contains(&GeneralName::IPAddress(&[10, 0, 0, 1])), "{names:?}");
        assert!(names.contains(&GeneralName::URI("spiffe://shop.test/web")), "{names:?}");
        // What a server shows: the leaf first.
        let bundle = issued.bundle();
        let bundle: Vec<_> = Pem::iter_from_buffer(bundle.as_bytes()).map(|pem| pem.unwrap().contents).collect();
        assert_eq!((bundle.len(), &bundle[0]), (2, &pem.contents));
        let (_, root) = X509Certificate::from_der(&bundle[1]).unwrap();
        assert_eq!(leaf.issuer(), root.subject());
        assert!(issued.root().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(!format!("{issued:?}").contains("PRIVATE"));
    }
}

#[tokio::test]
async fn a_role_tells_its_lifetimes_and_refuses_what_it_does_not_allow() {
    let (bao, mount, client) = pki("issue-role").await;
    let hours = |hours| Some(Duration::from_hours(hours));
    let role = client.vault.pki_role(&mount, &path("ec")).await.unwrap();
    assert_eq!(role, PkiRole { ttl: hours(1), max_ttl: hours(2), dated_back: Duration::from_secs(30), keeps: true });
    let bare = json!({ "allow_any_name": true, "no_store": true });
    bao.request("POST", "issue-role/roles/bare", Some(bare)).await.unwrap();
    let bare = client.vault.pki_role(&mount, &path("bare")).await.unwrap();
    assert_eq!(bare, PkiRole { ttl: None, max_ttl: None, dated_back: Duration::from_secs(30), keeps: false });
    let none = client.vault.pki_role(&mount, &path("nobody")).await;
    assert!(matches!(none, Err(VaultError::NotFound { .. })), "{none:?}");

    let elsewhere = IssueRequest { common_name: "elsewhere.test".to_owned(), ..wanted() };
    for (role, wanted, says) in [("ec", elsewhere, "does not allow one of the names"), ("nobody", wanted(), "no such PKI role")] {
        let error = client.vault.issue(&mount, &path(role), &wanted).await.unwrap_err();
        assert!(matches!(error, VaultError::Refused { .. }) && error.to_string().contains(says), "{error:?}");
    }
    let long = IssueRequest { ttl: hours(100), ..wanted() };
    let cut = client.vault.issue(&mount, &path("ec"), &long).await.unwrap();
    assert!((cut.not_after - Utc::now()).num_minutes() <= 120, "the role's maximum cuts it");
}

#[tokio::test]
async fn a_revoked_certificate_is_on_the_list_and_can_be_revoked_again() {
    let (bao, mount, client) = pki("issue-revoke").await;
    let issued = client.vault.issue(&mount, &path("ec"), &wanted()).await.unwrap();
    for _ in 0..2 {
        client.vault.revoke_certificate(&mount, &issued.serial).await.unwrap();
    }
    let kept = bao.request("GET", &format!("issue-revoke/cert/{}", issued.serial), None).await.unwrap();
    assert!(kept["data"]["revocation_time"].as_i64().unwrap() > 0);
    let unknown = client.vault.revoke_certificate(&mount, "01:02").await.unwrap_err();
    assert!(unknown.to_string().contains("no certificate with this serial"), "{unknown}");
}
