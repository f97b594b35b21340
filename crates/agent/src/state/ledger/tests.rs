use super::*;
use std::collections::BTreeSet;
use std::fs;

use super::place::HELD;
use lockstep_core::binding::Restart;
use lockstep_core::digest::DigestKeyId;
use lockstep_core::history::ChangeHash;
use lockstep_core::revision::{Epoch, Seq};
use uuid::Uuid;

fn revision(seq: u64) -> Revision {
    Revision { epoch: Epoch::new(1), seq: Seq::new(seq) }
}

fn binding(number: u64) -> BindingId {
    Uuid::from_u128(number.into()).into()
}

fn mark(epoch: u64, seq: u64) -> Mark {
    Mark { epoch: Epoch::new(epoch), seq: Seq::new(seq), hash: ChangeHash::new([1; 32]) }
}

fn held(seq: u64) -> Holding {
    Holding::Held(Held {
        name: "b".into(),
        revision: revision(seq),
        digest: Digest { key: DigestKeyId::new("k".into()), hmac: [7; 32] },
        target: Target::Directory { name: "out".parse().unwrap() },
        sources: Vec::new(),
        allowed: AllowedNamespaces::default(),
        reached: BTreeSet::new(),
        unfinished: false,
        restart: Restart::None,
        former: vec![Target::Directory { name: "was".parse().unwrap() }],
        purge_former: false,
    })
}

#[test]
fn what_is_recorded_is_there_after_a_restart() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = StateDir::ensure(temporary.path()).unwrap();
    let mut ledger = Ledger::load(&dir).unwrap();
    ledger.record(binding(1), held(3), Some(mark(1, 3))).unwrap();
    ledger.record(binding(2), Holding::GivenUp { revision: revision(4) }, None).unwrap();
    ledger.belong_to(Uuid::from_u128(5).into()).unwrap();
    // Left by a crash in the middle of writing.
    fs::write(dir.file(HELD).join(format!("{}.json.tmp", binding(3))), "{").unwrap();
    let again = Ledger::load(&dir).unwrap();
    assert_eq!((again.recorded.clone(), again.registry()), (ledger.recorded.clone(), ledger.registry()));
    assert_eq!((again.held_count(), again.recorded.len()), (1, 2));
}

#[test]
fn only_content_counts_and_once() {
    let temporary = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::load(&StateDir::ensure(temporary.path()).unwrap()).unwrap();
    let given_up = || Holding::GivenUp { revision: revision(9) };
    for (number, holding, want) in [
        (1, held(3), 1),
        (1, held(4), 1),
        (2, held(4), 2),
        (1, given_up(), 1),
        (1, given_up(), 1),
        (3, given_up(), 1),
        (1, held(5), 2),
    ] {
        ledger.record(binding(number), holding, None).unwrap();
        assert_eq!(ledger.held_count(), want);
    }
}

#[test]
fn the_floor_only_rises() {
    let temporary = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::load(&StateDir::ensure(temporary.path()).unwrap()).unwrap();
    for (head, want) in [(mark(1, 5), mark(1, 5)), (mark(1, 4), mark(1, 5)), (mark(2, 1), mark(2, 1)), (mark(1, 9), mark(2, 1))] {
        ledger.record(binding(1), Holding::GivenUp { revision: revision(1) }, Some(head)).unwrap();
        assert_eq!(ledger.floor(), Some(want));
    }
}

#[test]
fn the_oldest_given_up_bindings_are_forgotten_first() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = StateDir::ensure(temporary.path()).unwrap();
    let mut ledger = Ledger::load(&dir).unwrap();
    for number in 1..=5 {
        ledger.record(binding(number), Holding::GivenUp { revision: revision(10 - number) }, Some(mark(1, 10 + number))).unwrap();
    }
    ledger.forget_oldest_given_up(2).unwrap();
    let again = Ledger::load(&dir).unwrap();
    assert_eq!(again.iter().map(|(b, _)| b).collect::<Vec<_>>(), [binding(1), binding(2)]);
    assert_eq!(again.floor(), Some(mark(1, 15)), "the floor is not forgotten with them");
}

#[test]
fn what_nothing_came_of_is_taken_back_and_the_floor_stays() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = StateDir::ensure(temporary.path()).unwrap();
    let mut ledger = Ledger::load(&dir).unwrap();
    ledger.record(binding(1), held(3), Some(mark(1, 3))).unwrap();
    ledger.take_back(binding(1), None).unwrap();
    ledger.record(binding(2), held(4), None).unwrap();
    ledger.record(binding(2), held(5), Some(mark(1, 5))).unwrap();
    ledger.take_back(binding(2), Some(held(4))).unwrap();
    for ledger in [&ledger, &Ledger::load(&dir).unwrap()] {
        assert_eq!((ledger.get(binding(1)), ledger.get(binding(2)), ledger.held_count()), (None, Some(&held(4)), 1));
        assert_eq!(ledger.floor(), Some(mark(1, 5)));
    }
}
