use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta};

use super::*;

const OLD: u8 = 1;
const NEW: u8 = 2;

fn root(n: u8, signs: bool, vouched_for_by: &[u8]) -> Root {
    Root {
        key: vec![n],
        der: vec![n].into(),
        issuers: vec![format!("issuer-{n}")],
        signs,
        vouched_for_by: vouched_for_by.iter().map(|n| vec![*n]).collect::<BTreeSet<_>>(),
        not_before: DateTime::UNIX_EPOCH + TimeDelta::days(n.into()),
        not_after: DateTime::UNIX_EPOCH + TimeDelta::days(1_000),
    }
}

fn replica(name: &str, root: u8, roots: &[u8]) -> Replica {
    let roots = roots.iter().map(|n| vec![*n]).collect();
    Replica { replica: name.to_owned(), root: Some(vec![root]), roots, not_after: DateTime::UNIX_EPOCH, certificate_life_s: None }
}

/// Of two agents: how many trust it, and how many have certificates of it.
fn counted(trusting: u64, certificates: u64) -> Counted {
    let named = |count: u64| (0..count).map(|n| format!("c{n}")).collect();
    Counted { trusting, certificates, without: named(2 - trusting), with: named(certificates), with_count: certificates }
}

fn judge(roots: &[Root], counted: &[Counted], replicas: &[Replica]) -> (String, Option<bool>, String) {
    let shown = Standing { roots, counted, replicas, agents: 2 }.show();
    let judged = shown.roots.iter().find(|root| root.ready.is_some());
    (shown.phase, judged.and_then(|root| root.ready), judged.map(|root| root.notes.join("; ")).unwrap_or_default())
}

#[test]
fn the_next_root_may_sign_once_every_replica_trusts_it_and_no_agent_would_be_left_out() {
    let announced = |vouched: &[u8]| [root(OLD, true, &[]), root(NEW, false, vouched)];
    let (both, one) = (replica("a", OLD, &[OLD, NEW]), replica("b", OLD, &[OLD]));
    for (vouched, trusting, replicas, ready, says) in [
        (vec![], 2, vec![both.clone()], true, ""),
        (vec![], 1, vec![both.clone()], false, "1 agents do not know it, and it has no cross-signed certificate: c0"),
        (vec![OLD], 1, vec![both.clone()], true, "will find the way by its cross-signed certificate: c0"),
        (vec![OLD], 2, vec![both.clone(), one], false, "replicas that do not trust it yet: b"),
        (vec![NEW], 1, vec![both], false, "no cross-signed"),
        (vec![OLD], 2, vec![], false, "no replica has said"),
    ] {
        let judged = judge(&announced(&vouched), &[counted(2, 2), counted(trusting, 0)], &replicas);
        assert_eq!((judged.0.as_str(), judged.1), ("Announcing", Some(ready)), "{}", judged.2);
        assert!(judged.2.contains(says), "{says:?} in {:?}", judged.2);
    }
}

#[test]
fn a_former_root_may_go_once_no_certificate_chains_to_it_and_everybody_knows_the_one_that_signs() {
    let roots = [root(OLD, false, &[]), root(NEW, true, &[OLD])];
    let (new, old) = (replica("a", NEW, &[OLD, NEW]), replica("b", OLD, &[OLD, NEW]));
    for (of_old, of_new, replicas, ready, says) in [
        (counted(2, 0), counted(2, 2), vec![new.clone()], true, ""),
        (counted(2, 1), counted(2, 1), vec![new.clone()], false, "1 agents whose certificate chains to it"),
        (counted(2, 0), counted(1, 2), vec![new.clone()], false, "1 agents do not know the root that signs"),
        (counted(2, 0), counted(2, 2), vec![new, old], false, "replicas whose certificate chains to it: b"),
    ] {
        let judged = judge(&roots, &[of_old, of_new], &replicas);
        assert_eq!((judged.0.as_str(), judged.1), ("Switched", Some(ready)), "{}", judged.2);
        assert!(judged.2.contains(says), "{says:?} in {:?}", judged.2);
    }
}

#[test]
fn one_root_is_steady_and_asks_for_nothing() {
    let judged = judge(&[root(OLD, true, &[])], &[counted(0, 0)], &[]);
    assert_eq!(judged, ("Steady".to_owned(), None, String::new()));
}
