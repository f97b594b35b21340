//! Which servers the agent believes is told over its stream, and kept.

use chrono::{TimeDelta, Utc};
use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_proto::v1::{Certificate, CertificateRequest, Trust, Trusting};

use crate::authority::Authority;
use crate::fixture::Fixture;
use crate::server::Link;

async fn trusting(link: &mut Link) -> Trusting {
    match link.hear().await {
        FromAgent::Trusting(trusting) => trusting,
        other => panic!("no answer but {other:?}"),
    }
}

fn trust(roots: &[&Authority], renew_within_ms: u32) -> FromServer {
    FromServer::Trust(Trust { roots_der: roots.iter().map(|authority| authority.root.to_vec()).collect(), renew_within_ms })
}

/// Takes the agent's request, and sends it a certificate that `issuer` signed, with these roots; answers what it says then.
async fn certify(link: &mut Link, issuer: &Authority, roots: [&Authority; 2]) -> Trusting {
    let FromAgent::CertificateRequest(CertificateRequest { csr_der }) = link.hear().await else { panic!("a request") };
    let leaf = issuer.agent(&csr_der, Utc::now(), Utc::now() + TimeDelta::days(7));
    let (chain_der, roots_der) = (vec![leaf, issuer.root.to_vec()], roots.map(|root| root.root.to_vec()).to_vec());
    link.say(FromServer::Certificate(Certificate { chain_der, roots_der, refused: String::new() }));
    trusting(link).await
}

#[tokio::test]
async fn roots_are_kept_over_a_restart_and_the_agent_says_which_it_has() {
    let mut fixture = Fixture::new().await;
    let other = Authority::new();
    let running = fixture.start();
    let (mut link, hello) = fixture.linked().await;
    assert_eq!(hello.roots.len(), 1);
    let shared = fixture.server.shared.clone();
    link.say(trust(&[&shared.authority, &other], 0));
    let said = trusting(&mut link).await;
    assert_eq!((said.roots.len(), &said.roots[0], said.public_key.len()), (2, &hello.roots[0], 32));
    running.end().await.unwrap();

    let running = fixture.start();
    let (_link, hello) = fixture.linked().await;
    assert_eq!(hello.roots, said.roots);
    running.end().await.unwrap();
}

#[tokio::test]
async fn no_roots_or_broken_ones_change_nothing() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, hello) = fixture.linked().await;
    let shared = fixture.server.shared.clone();
    link.say(trust(&[], 0));
    link.say(FromServer::Trust(Trust { roots_der: vec![shared.authority.root.to_vec(), vec![1, 2, 3]], renew_within_ms: 0 }));
    link.say(trust(&[&shared.authority], 0));
    assert_eq!(trusting(&mut link).await.roots, hello.roots, "the first answer is to the last message");
    running.end().await.unwrap();
}

#[tokio::test]
async fn asked_to_the_agent_renews_a_young_certificate_over_its_stream_and_says_that_it_took_the_new_one() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    let shared = fixture.server.shared.clone();
    let next = Authority::new();
    link.say(trust(&[&shared.authority, &next], 1));
    let before = trusting(&mut link).await.public_key;
    let after = certify(&mut link, &next, [&shared.authority, &next]).await.public_key;
    assert_ne!(after, before);
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_a_withdrawn_root_is_renewed_on_the_join_listener_before_the_next_link() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    let shared = fixture.server.shared.clone();
    // What it has is of a root that nobody trusts any more; the servers' own stays.
    let former = Authority::new();
    link.say(trust(&[&shared.authority, &former], 1));
    trusting(&mut link).await;
    certify(&mut link, &former, [&shared.authority, &former]).await;
    link.say(trust(&[&shared.authority], 0));
    trusting(&mut link).await;
    drop(link);
    fixture.linked().await;
    assert!(shared.nonce_signature.lock().unwrap().is_some(), "it proved its key on the join listener");
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_servers_refuse_is_renewed_on_the_join_listener() {
    let mut fixture = Fixture::new().await;
    let running = fixture.start();
    let (mut link, _) = fixture.linked().await;
    let shared = fixture.server.shared.clone();
    // Nobody tells it that the root of this one is trusted no more.
    let former = Authority::new();
    link.say(trust(&[&shared.authority, &former], 1));
    trusting(&mut link).await;
    certify(&mut link, &former, [&shared.authority, &former]).await;
    drop(link);
    fixture.linked().await;
    assert!(shared.nonce_signature.lock().unwrap().is_some(), "it proved its key on the join listener");
    running.end().await.unwrap();
}
