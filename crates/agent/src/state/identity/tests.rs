use super::*;
use crate::state::StateDir;
use chrono::TimeDelta;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use std::fs;
use uuid::Uuid;

fn cluster() -> ClusterId {
    Uuid::from_u128(1).into()
}

/// What a server would issue for `key`.
fn issued(key: &AgentKey, cluster_in_name: ClusterId) -> Issued {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let root = ca.self_signed(&ca_key).unwrap();
    let mut leaf = CertificateParams::default();
    let uri = format!("spiffe://lockstep.test/cluster/{cluster_in_name}/agent/{}", Uuid::from_u128(2));
    leaf.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    let public = rcgen::SubjectPublicKeyInfo::from_der(&key.public_key()).unwrap();
    let leaf = leaf.signed_by(&public, &Issuer::from_params(&ca, &ca_key)).unwrap();
    let roots = vec![root.der().to_vec()];
    Issued { chain: vec![leaf.der().to_vec()], roots, cluster: cluster(), cluster_name: "one".into() }
}

fn begin() -> (tempfile::TempDir, State) {
    let temporary = tempfile::tempdir().unwrap();
    let dir = StateDir::ensure(temporary.path()).unwrap();
    (temporary, State::Directory(dir))
}

#[tokio::test]
async fn a_lost_answer_is_retried_with_the_same_key() {
    let (_temporary, state) = begin();
    let first = next_key(&state, None).await.unwrap();
    let second = next_key(&state, None).await.unwrap();
    assert_eq!(first.public_key(), second.public_key());
}

#[tokio::test]
async fn an_adopted_certificate_is_there_after_a_restart_and_the_next_slot_is_empty() {
    let (temporary, state) = begin();
    assert!(load(&state).await.unwrap().is_none());
    let key = next_key(&state, None).await.unwrap();
    let wanted = issued(&key, cluster());
    let adopted = adopt(&state, key, wanted).await.unwrap();
    let loaded = load(&state).await.unwrap().unwrap();
    assert_eq!((loaded.cluster, &loaded.leaf, loaded.chain), (cluster(), &adopted.leaf, adopted.chain));
    assert!(!temporary.path().join(NEXT).exists());
    assert!(loaded.leaf.not_after - loaded.leaf.not_before > TimeDelta::zero());
}

#[tokio::test]
async fn a_crash_between_adopting_and_emptying_the_next_slot_leaves_no_reused_key() {
    let (_temporary, state) = begin();
    let key = next_key(&state, None).await.unwrap();
    let pem = key.to_pem();
    let wanted = issued(&key, cluster());
    let current = adopt(&state, key, wanted).await.unwrap();
    state.write(NEXT, pem.as_bytes()).await.unwrap();
    let next = next_key(&state, Some(&current)).await.unwrap();
    assert_ne!(next.public_key(), current.leaf.public_key);
}

#[tokio::test]
async fn what_a_server_may_not_issue_is_not_taken() {
    let (temporary, state) = begin();
    let key = async || next_key(&state, None).await.unwrap();
    let other = issued(&AgentKey::generate().unwrap(), cluster());
    assert!(adopt(&state, key().await, other).await.unwrap_err().to_string().contains("another key"));
    let foreign = issued(&key().await, Uuid::from_u128(9).into());
    assert!(adopt(&state, key().await, foreign).await.unwrap_err().to_string().contains("name this cluster"));
    let rootless = Issued { roots: Vec::new(), ..issued(&key().await, cluster()) };
    assert!(adopt(&state, key().await, rootless).await.unwrap_err().to_string().contains("roots"));
    assert!(load(&state).await.unwrap().is_none());
    assert!(fs::read_to_string(temporary.path().join(NEXT)).unwrap().contains("PRIVATE KEY"));
}
