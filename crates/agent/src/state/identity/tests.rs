use super::*;
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

fn state() -> (tempfile::TempDir, StateDir) {
    let temporary = tempfile::tempdir().unwrap();
    let dir = StateDir::ensure(temporary.path()).unwrap();
    (temporary, dir)
}

#[test]
fn a_lost_answer_is_retried_with_the_same_key() {
    let (_temporary, dir) = state();
    let first = next_key(&dir, None).unwrap();
    let second = next_key(&dir, None).unwrap();
    assert_eq!(first.public_key(), second.public_key());
}

#[test]
fn an_adopted_certificate_is_there_after_a_restart_and_the_next_slot_is_empty() {
    let (_temporary, dir) = state();
    assert!(load(&dir).unwrap().is_none());
    let key = next_key(&dir, None).unwrap();
    let wanted = issued(&key, cluster());
    let adopted = adopt(&dir, key, wanted).unwrap();
    let loaded = load(&dir).unwrap().unwrap();
    assert_eq!((loaded.cluster, &loaded.leaf, loaded.chain), (cluster(), &adopted.leaf, adopted.chain));
    assert!(!dir.file(NEXT).exists());
    assert!(loaded.leaf.not_after - loaded.leaf.not_before > TimeDelta::zero());
}

#[test]
fn a_crash_between_adopting_and_emptying_the_next_slot_leaves_no_reused_key() {
    let (_temporary, dir) = state();
    let key = next_key(&dir, None).unwrap();
    let pem = key.to_pem();
    let wanted = issued(&key, cluster());
    let current = adopt(&dir, key, wanted).unwrap();
    durable::replace(&dir.file(NEXT), pem.as_bytes()).unwrap();
    let next = next_key(&dir, Some(&current)).unwrap();
    assert_ne!(next.public_key(), current.leaf.public_key);
}

#[test]
fn what_a_server_may_not_issue_is_not_taken() {
    let (_temporary, dir) = state();
    let key = || next_key(&dir, None).unwrap();
    let other = issued(&AgentKey::generate().unwrap(), cluster());
    assert!(adopt(&dir, key(), other).unwrap_err().to_string().contains("another key"));
    let foreign = issued(&key(), Uuid::from_u128(9).into());
    assert!(adopt(&dir, key(), foreign).unwrap_err().to_string().contains("name this cluster"));
    let rootless = Issued { roots: Vec::new(), ..issued(&key(), cluster()) };
    assert!(adopt(&dir, key(), rootless).unwrap_err().to_string().contains("roots"));
    assert!(load(&dir).unwrap().is_none());
    assert!(fs::read_to_string(dir.file(NEXT)).unwrap().contains("PRIVATE KEY"));
}
