//! What is in a certificate is the server's to say, and how long it may be renewed too.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockstep_core::spiffe::AgentIdentity;
use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_proto::v1::{CertificateRequest, Hello};
use lockstep_testbed::fleet::STORY_LIMIT;
use lockstep_testbed::{Fleet, wait};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls_pki_types::CertificateDer;
use tonic::Code;
use uuid::Uuid;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::raw::{Raw, chain, key, request};
use crate::setting::{joined, reconfigure, register, servers};

/// Asks for another cluster's identity, a name, and the rights of an authority.
fn presumptuous(key: &KeyPair) -> Result<Vec<u8>> {
    let mut wanted = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let other = format!("spiffe://lockstep.test/cluster/{}/agent/{}", Uuid::new_v4(), Uuid::new_v4());
    wanted.subject_alt_names.push(SanType::URI(other.try_into()?));
    wanted.subject_alt_names.push(SanType::URI("spiffe://lockstep.test/server".try_into()?));
    wanted.distinguished_name.push(DnType::CommonName, "another cluster");
    wanted.distinguished_name.push(DnType::OrganizationName, "administrators");
    wanted.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::CodeSigning];
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(wanted.serialize_request(key)?.der().to_vec())
}

/// The identity in a certificate that has nothing else.
fn plain(der: &[u8], key: &KeyPair) -> Result<AgentIdentity> {
    let (_, leaf) = X509Certificate::from_der(der)?;
    ensure!(leaf.public_key().raw == rcgen::PublicKeyData::subject_public_key_info(key), "the key is another one");
    ensure!(leaf.subject().iter().count() == 0, "it has a subject: {}", leaf.subject());
    let names = &leaf.subject_alternative_name()?.context("it has no names")?.value.general_names;
    let [GeneralName::URI(uri)] = names.as_slice() else { anyhow::bail!("it has other names: {names:?}") };
    let usage = leaf.key_usage()?.context("it says nothing of its use")?.value;
    ensure!(!usage.key_cert_sign() && !usage.crl_sign(), "it may sign certificates");
    let extended = leaf.extended_key_usage()?.context("it says nothing of its use")?.value;
    ensure!(extended.client_auth && !extended.server_auth && !extended.any && !extended.code_signing, "{extended:?}");
    ensure!(!leaf.is_ca(), "it is an authority's");
    Ok(uri.parse()?)
}

#[tokio::test]
async fn a_request_gets_what_the_server_decided_whatever_it_asks_for_when_joining_and_both_ways_of_renewing() -> Result<()> {
    let fleet = servers(1).await?;
    let token = register(&fleet, "presumptuous", "env=test").await?;
    let first = key()?;
    let csr_der = presumptuous(&first)?;
    let mut raw = Raw::join_as(&fleet, &token, first, csr_der).await?;
    let identity = plain(&raw.chain[0], &raw.key)?;
    assert_eq!(identity.cluster.uuid().as_bytes().as_slice(), raw.cluster);

    let mut stream = raw.linked(&fleet, 0, Hello::default()).await?;
    let second = key()?;
    stream.say(FromAgent::CertificateRequest(CertificateRequest { csr_der: presumptuous(&second)? })).await?;
    let Some(FromServer::Certificate(renewed)) = stream.hear().await? else { anyhow::bail!("no certificate") };
    assert_eq!(renewed.refused, "");
    assert_eq!(plain(&renewed.chain_der[0], &second)?, identity);
    (raw.key, raw.chain) = (second, chain(renewed.chain_der));

    let renewed = raw.renew(&fleet, 0, presumptuous(&raw.key)?).await?;
    assert_eq!(plain(&renewed.chain_der[0], &raw.key)?, identity);
    // The key on record proves who asks; another one is no renewal.
    let refused = raw.renew(&fleet, 0, presumptuous(&key()?)?).await.err().context("another key was certified")?;
    assert_eq!(refused.code(), Code::PermissionDenied);
    Ok(())
}

/// The PKI decides how long certificates live, whatever the configuration asks for: that is in hours.
async fn shorten(fleet: &Fleet, life: Duration) -> Result<()> {
    let path = "lockstep-pki/roles/agent";
    let mut role = fleet.bao.request("GET", path, None).await?["data"].take();
    role["max_ttl"] = format!("{}s", life.as_secs()).into();
    role["ttl"] = role["max_ttl"].clone();
    role["not_before_duration"] = "1s".into();
    fleet.bao.request("POST", path, Some(role)).await.map(drop)
}

async fn expired(certificate: &CertificateDer<'_>) -> Result<()> {
    let end = X509Certificate::from_der(certificate)?.1.validity().not_after.timestamp();
    wait::until("the certificate to end", STORY_LIMIT, async || chrono::Utc::now().timestamp() > end).await
}

#[tokio::test]
async fn an_expired_certificate_is_renewed_within_its_grace_and_never_past_it_or_once_its_cluster_was_revoked() -> Result<()> {
    let mut fleet = servers(2).await?;
    // The second replica gives no grace at all.
    reconfigure(&mut fleet, 1, "renewalGraceDays", 0).await?;

    shorten(&fleet, Duration::from_secs(3)).await?;
    let mut raw = joined(&fleet, "late", "env=test").await?;
    expired(&raw.chain[0]).await?;
    assert!(raw.link(&fleet, 0, Hello::default()).await.is_err(), "no stream with it");
    let past = raw.renew(&fleet, 1, request(&raw.key)?).await.err().context("it was renewed past its grace")?;
    assert!(past.code() == Code::PermissionDenied && past.message().contains("cannot be renewed"), "{past:?}");
    let renewed = raw.renew(&fleet, 0, request(&raw.key)?).await?;
    raw.chain = chain(renewed.chain_der);
    raw.linked(&fleet, 0, Hello::default()).await?;

    expired(&raw.chain[0]).await?;
    fleet.cli(&["cluster", "revoke", "late"]).await?;
    for replica in 0..2 {
        let revoked = raw.renew(&fleet, replica, request(&raw.key)?).await.err().context("it was renewed, and revoked")?;
        assert_eq!(revoked.code(), Code::PermissionDenied, "{revoked:?}");
    }
    Ok(())
}
