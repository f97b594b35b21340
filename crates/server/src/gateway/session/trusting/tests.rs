use std::collections::BTreeSet;

use chrono::DateTime;

use super::*;
use crate::authority::Root;

const OLD: u8 = 1;
const NEW: u8 = 2;
const SPREAD: Duration = Duration::from_secs(9);

fn key(n: u8) -> KeyHash {
    vec![n; KEY_BYTES]
}

fn trust(roots: &[u8], signer: u8) -> Trust {
    let root = |n: &u8| Root {
        key: key(*n),
        der: vec![*n].into(),
        issuers: Vec::new(),
        signs: *n == signer,
        vouched_for_by: BTreeSet::new(),
        not_before: DateTime::UNIX_EPOCH,
        not_after: DateTime::UNIX_EPOCH,
    };
    Trust { roots: roots.iter().map(root).collect(), own: None }
}

fn agent(root: Option<u8>, roots: &[u8]) -> Trusts {
    Trusts { root: root.map(key), roots: roots.iter().copied().map(key).collect() }
}

#[test]
fn an_agent_is_told_what_it_lacks_and_to_renew_when_another_root_signs_and_else_nothing() {
    let (both, neither) = (Some(vec![vec![OLD], vec![NEW]]), None);
    for (agent, trust, roots, renew) in [
        (agent(Some(OLD), &[OLD]), trust(&[OLD], OLD), neither.clone(), 0),
        (agent(Some(OLD), &[OLD]), trust(&[OLD, NEW], OLD), both.clone(), 0),
        (agent(Some(OLD), &[NEW, OLD]), trust(&[OLD, NEW], OLD), neither.clone(), 0),
        (agent(Some(OLD), &[OLD, NEW]), trust(&[OLD, NEW], NEW), both.clone(), 9_000),
        (agent(Some(NEW), &[OLD, NEW]), trust(&[OLD, NEW], NEW), neither.clone(), 0),
        (agent(Some(NEW), &[OLD, NEW]), trust(&[NEW], NEW), Some(vec![vec![NEW]]), 0),
        (agent(Some(OLD), &[]), trust(&[OLD, NEW], NEW), neither.clone(), 0),
        (agent(None, &[OLD]), trust(&[OLD], OLD), neither, 0),
    ] {
        let told = agent.wants(&trust, SPREAD);
        assert_eq!(told.as_ref().map(|told| told.roots_der.clone()), roots, "{agent:?} {trust:?}");
        assert_eq!(told.map_or(0, |told| told.renew_within_ms), renew, "{agent:?} {trust:?}");
    }
}
