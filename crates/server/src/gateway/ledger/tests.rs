use std::collections::BTreeMap;

use lockstep_core::binding::{Binding, BindingSpec, DeletionPolicy, Delivered, Target};
use lockstep_core::digest::DigestKeyId;
use lockstep_core::history::ChangeHash;
use lockstep_core::placement::Placement;
use lockstep_core::plan::Desired;
use lockstep_core::revision::{Epoch, Seq};
use lockstep_core::selector::Selector;
use uuid::Uuid;

use super::*;

fn revision(seq: u64) -> Revision {
    Revision { epoch: Epoch::new(1), seq: Seq::new(seq) }
}

fn head(seq: u64) -> Mark {
    Mark { epoch: Epoch::new(1), seq: Seq::new(seq), hash: ChangeHash::ORIGIN }
}

fn digest(byte: u8) -> Digest {
    Digest { key: DigestKeyId::new("k".to_owned()), hmac: [byte; 32] }
}

fn id(n: u128) -> BindingId {
    Uuid::from_u128(n).into()
}

fn facts(n: u128, seq: u64) -> Facts {
    let spec = BindingSpec {
        clusters: Selector::default(),
        delivered: Delivered::new(Vec::new(), Target::Directory { name: "d".parse().unwrap() }),
        deletion_policy: DeletionPolicy::Retain,
    };
    Facts {
        cluster: Uuid::from_u128(1).into(),
        name: "b".to_owned(),
        binding: Binding { id: id(n), project: Uuid::from_u128(2).into(), spec, spec_seq: Seq::new(1) },
        placement: Placement::Placed,
        desired: Desired { revision: revision(seq), want: Want::Content(Vec::new()) },
        secrets: Vec::new(),
        acked: None,
    }
}

fn ledger(in_flight_max: usize) -> Ledger {
    Ledger::new(BTreeMap::new(), in_flight_max)
}

fn next_seq(ledger: &mut Ledger, now: Instant) -> Option<u64> {
    ledger.next(now).map(|w| w.facts.desired.revision.seq.get())
}

fn ack(ledger: &mut Ledger, n: u128, seq: u64, now: Instant) -> Option<Result<Duration, ()>> {
    ledger.acked(id(n), Reported { revision: revision(seq), digest: Some(digest(1)) }, now)
}

#[test]
fn a_slow_agent_gets_only_the_newest_and_one_of_a_binding_at_a_time() {
    let (mut ledger, now) = (ledger(8), Instant::now());
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, now), Some(5));
    for seq in 6..9 {
        ledger.offer(vec![facts(1, seq)], head(seq));
    }
    assert_eq!(next_seq(&mut ledger, now), None);
    ledger.sent(id(1), Some(digest(1)));
    assert!(matches!(ack(&mut ledger, 1, 5, now), Some(Ok(_))));
    assert_eq!(next_seq(&mut ledger, now), Some(8));
}

#[test]
fn no_more_is_under_way_than_the_limit_and_the_oldest_change_goes_first() {
    let (mut ledger, now) = (ledger(2), Instant::now());
    ledger.offer(vec![facts(1, 9), facts(2, 7), facts(3, 8)], head(9));
    assert_eq!([next_seq(&mut ledger, now), next_seq(&mut ledger, now), next_seq(&mut ledger, now)], [Some(7), Some(8), None]);
}

#[test]
fn what_was_refused_waits_longer_each_time_but_something_newer_goes_at_once() {
    let (mut ledger, now) = (ledger(8), Instant::now());
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, now), Some(5));
    ledger.refuse(id(1), revision(5), now);
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, now), None);
    assert_eq!(next_seq(&mut ledger, now + RETRY_FIRST), Some(5));
    ledger.refuse(id(1), revision(5), now);
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, now + RETRY_FIRST), None);
    ledger.offer(vec![facts(1, 6)], head(6));
    assert_eq!(next_seq(&mut ledger, now), Some(6));
}

#[test]
fn an_ack_of_other_content_than_was_sent_is_no_success() {
    let (mut ledger, now) = (ledger(8), Instant::now());
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, now), Some(5));
    ledger.sent(id(1), Some(digest(2)));
    assert_eq!(ack(&mut ledger, 1, 5, now), Some(Err(())));
    assert_eq!(ack(&mut ledger, 1, 5, now), None);
}

#[test]
fn a_late_refusal_says_nothing_of_what_is_under_way_or_was_confirmed() {
    let (mut ledger, now) = (ledger(8), Instant::now());
    assert!(!ledger.rejected(id(1), revision(5), now), "nothing was sent yet");
    ledger.offer(vec![facts(1, 6)], head(6));
    assert_eq!(next_seq(&mut ledger, now), Some(6));
    ledger.sent(id(1), Some(digest(1)));
    assert!(!ledger.rejected(id(1), revision(5), now), "of what was sent before");
    assert!(matches!(ack(&mut ledger, 1, 6, now), Some(Ok(_))), "it is still under way");
    assert!(!ledger.rejected(id(1), revision(6), now), "it was confirmed");
    ledger.needed(&[id(1)]);
    ledger.offer(vec![facts(1, 6)], head(6));
    assert_eq!(next_seq(&mut ledger, now), Some(6), "none of these made it wait");
    assert!(ledger.rejected(id(1), revision(6), now), "this answers what is under way");
    assert!(!ledger.rejected(id(1), revision(6), now), "once");
}

#[test]
fn an_answer_that_never_comes_counts_as_lost_and_it_is_sent_again() {
    let (mut ledger, now) = (ledger(8), Instant::now());
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, now), Some(5));
    assert_eq!(ledger.expire(now + ANSWER_LIMIT / 2), 0);
    assert_eq!(ledger.expire(now + ANSWER_LIMIT), 1);
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, now), Some(5));
}

#[test]
fn what_is_acked_is_not_sent_again_until_the_agent_needs_it() {
    let (mut ledger, now) = (ledger(8), Instant::now());
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, now), Some(5));
    ledger.sent(id(1), Some(digest(1)));
    assert!(matches!(ack(&mut ledger, 1, 5, now), Some(Ok(_))));
    // The registry's evidence is still older: reports are written in batches.
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, now), None);
    ledger.needed(&[id(1)]);
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, now), Some(5));
}

#[test]
fn a_revision_newer_than_the_history_means_that_it_was_cut_also_for_a_binding_it_does_not_know() {
    let reported = BTreeMap::from([(id(7), Reported { revision: revision(9), digest: Some(digest(1)) })]);
    let mut ledger = Ledger::new(reported, 8);
    assert!(!ledger.offer(Vec::new(), head(9)));
    assert!(ledger.offer(Vec::new(), head(8)));
}
