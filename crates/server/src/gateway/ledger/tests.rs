use std::collections::BTreeMap;

use chrono::DateTime;
use lockstep_core::binding::{Binding, BindingSpec, DeletionPolicy, Delivered, Target};
use lockstep_core::choice::Choice;
use lockstep_core::digest::DigestKeyId;
use lockstep_core::engine::Engine;
use lockstep_core::history::ChangeHash;
use lockstep_core::placement::Placement;
use lockstep_core::plan::Desired;
use lockstep_core::revision::{Epoch, Seq};
use lockstep_core::selector::Selector;
use lockstep_core::version::{Incarnation, Known, Version, VersionId};
use lockstep_store::secret::SecretRecord;
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
        registered: DateTime::UNIX_EPOCH,
        placement: Placement::Placed,
        desired: Desired { revision: revision(seq), want: Want::Content(Vec::new()) },
        secrets: Vec::new(),
        acked: None,
    }
}

fn ledger(in_flight_max: usize) -> Ledger {
    Ledger::new(BTreeMap::new(), in_flight_max, Guard::new(20))
}

fn next_seq(ledger: &mut Ledger, now: Instant) -> Option<u64> {
    ledger.next(now).map(|w| w.facts.desired.revision.seq.get())
}

/// It left for the link.
fn left(ledger: &mut Ledger, n: u128, seq: u64, now: Instant) {
    ledger.sent(id(n), revision(seq), Some(digest(1)), now);
}

fn ack(ledger: &mut Ledger, n: u128, seq: u64, now: Instant) -> Option<Result<Confirmed, ()>> {
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
    left(&mut ledger, 1, 5, now);
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
fn only_what_failed_before_is_a_retry() {
    let (mut ledger, now) = (ledger(8), Instant::now());
    let is_retry = |ledger: &mut Ledger, now| ledger.next(now).map(|work| work.is_retry);
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(is_retry(&mut ledger, now), Some(false));
    ledger.refuse(id(1), revision(5), now);
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(is_retry(&mut ledger, now + RETRY_FIRST), Some(true));
    ledger.refuse(id(1), revision(5), now);
    ledger.offer(vec![facts(1, 6)], head(6));
    assert_eq!(is_retry(&mut ledger, now), Some(false), "something newer");
}

#[test]
fn an_ack_of_other_content_than_was_sent_is_no_success() {
    let (mut ledger, now) = (ledger(8), Instant::now());
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, now), Some(5));
    ledger.sent(id(1), revision(5), Some(digest(2)), now);
    assert_eq!(ack(&mut ledger, 1, 5, now), Some(Err(())));
    assert_eq!(ack(&mut ledger, 1, 5, now), None);
}

#[test]
fn a_late_refusal_says_nothing_of_what_is_under_way_or_was_confirmed() {
    let (mut ledger, now) = (ledger(8), Instant::now());
    assert!(!ledger.rejected(id(1), revision(5), now), "nothing was sent yet");
    ledger.offer(vec![facts(1, 6)], head(6));
    assert_eq!(next_seq(&mut ledger, now), Some(6));
    left(&mut ledger, 1, 6, now);
    assert!(!ledger.rejected(id(1), revision(5), now), "of what was sent before");
    assert!(matches!(ack(&mut ledger, 1, 6, now), Some(Ok(_))), "it is still under way");
    assert!(!ledger.rejected(id(1), revision(6), now), "it was confirmed");
    ledger.needed(&[id(1)]);
    ledger.offer(vec![facts(1, 6)], head(6));
    assert_eq!(next_seq(&mut ledger, now), Some(6), "none of these made it wait");
    assert!(!ledger.rejected(id(1), revision(6), now), "it did not leave yet");
    left(&mut ledger, 1, 6, now);
    assert!(ledger.rejected(id(1), revision(6), now), "this answers what is under way");
    assert!(!ledger.rejected(id(1), revision(6), now), "once");
}

#[test]
fn an_answer_that_never_comes_counts_as_lost_and_it_is_sent_again() {
    let (mut ledger, now) = (ledger(8), Instant::now());
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, now), Some(5));
    let left_at = now + ANSWER_LIMIT * 3;
    assert_eq!(ledger.expire(left_at), 0, "it still waits for the link: another would be queued beside it");
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, left_at), None);
    left(&mut ledger, 1, 5, left_at);
    assert_eq!(ledger.expire(left_at + ANSWER_LIMIT / 2), 0);
    assert_eq!(ledger.expire(left_at + ANSWER_LIMIT), 1);
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, left_at + ANSWER_LIMIT), Some(5));
    assert_eq!(ack(&mut ledger, 1, 5, now), None, "it answers the first, and the second did not leave yet");
    assert_eq!(next_seq(&mut ledger, left_at + ANSWER_LIMIT), None, "which is still under way");
}

#[test]
fn what_was_prepared_says_nothing_of_another_revision() {
    let (mut ledger, now) = (ledger(8), Instant::now());
    ledger.offer(vec![facts(1, 6)], head(6));
    assert_eq!(next_seq(&mut ledger, now), Some(6));
    left(&mut ledger, 1, 5, now);
    assert_eq!(ack(&mut ledger, 1, 6, now), None, "only revision 5 left");
    ledger.give_back(id(1), revision(5));
    ledger.refuse(id(1), revision(5), now);
    ledger.offer(vec![facts(1, 6)], head(6));
    assert_eq!(next_seq(&mut ledger, now), None, "revision 6 is still under way");
    left(&mut ledger, 1, 6, now);
    assert!(matches!(ack(&mut ledger, 1, 6, now), Some(Ok(_))));
}

#[test]
fn what_is_acked_is_not_sent_again_until_the_agent_needs_it() {
    let (mut ledger, now) = (ledger(8), Instant::now());
    ledger.offer(vec![facts(1, 5)], head(5));
    assert_eq!(next_seq(&mut ledger, now), Some(5));
    left(&mut ledger, 1, 5, now);
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
    let mut ledger = Ledger::new(reported, 8, Guard::new(20));
    assert!(!ledger.offer(Vec::new(), head(9)));
    assert!(ledger.offer(Vec::new(), head(8)));
}

#[test]
fn what_the_agent_has_is_what_it_said_last_while_nothing_is_under_way() {
    let (mut ledger, now) = (holding(1, 8), Instant::now());
    assert!(ledger.has_at(id(0), revision(1)) && !ledger.has_at(id(0), revision(2)) && !ledger.has_at(id(1), revision(1)));
    ledger.offer(vec![facts(0, 2)], head(2));
    assert_eq!(next_seq(&mut ledger, now), Some(2));
    assert!(!ledger.has_at(id(0), revision(1)));
}

/// A cluster that holds the bindings 0 to `held`, all read and in step.
fn holding(held: u128, in_flight_max: usize) -> Ledger {
    let content = |n| (id(n), Reported { revision: revision(1), digest: Some(digest(1)) });
    let mut ledger = Ledger::new((0..held).map(content).collect(), in_flight_max, Guard::new(20));
    ledger.complete();
    ledger
}

fn removed(n: u128, seq: u64, policy: DeletionPolicy) -> Facts {
    let want = Want::Remove(policy);
    Facts { placement: Placement::Removed(policy), desired: Desired { revision: revision(seq), want }, ..facts(n, seq) }
}

fn purges(numbers: std::ops::Range<u128>, seq: u64) -> Vec<Facts> {
    numbers.map(|n| removed(n, seq, DeletionPolicy::Delete)).collect()
}

/// How many are sent now.
fn sent(ledger: &mut Ledger, now: Instant) -> usize {
    std::iter::from_fn(|| ledger.next(now)).count()
}

fn gave_up(ledger: &mut Ledger, n: u128, seq: u64, now: Instant) {
    let given_up = Reported { revision: revision(seq), digest: None };
    ledger.sent(id(n), revision(seq), None, now);
    assert!(matches!(ledger.acked(id(n), given_up, now), Some(Ok(_))));
}

const LATER: Duration = Duration::from_secs(60);

#[test]
fn deletions_beyond_a_cluster_s_share_wait_until_they_are_confirmed() {
    let (mut ledger, now) = (holding(10, 32), Instant::now());
    ledger.offer(purges(0..3, 5), head(5));
    assert_eq!(sent(&mut ledger, now + LATER), 0);
    assert_eq!(ledger.held_back(), Some((3, Seq::new(0))));
    ledger.offer(vec![facts(20, 6)], head(6));
    assert_eq!(sent(&mut ledger, now + LATER), 1, "everything else goes on");
    ledger.confirm_deletions(Seq::new(4));
    assert_eq!(sent(&mut ledger, now + LATER), 0, "they were decided later than that");
    ledger.confirm_deletions(Seq::new(7));
    assert_eq!(sent(&mut ledger, now + LATER), 3);
    assert_eq!(ledger.held_back(), Some((0, Seq::new(7))));
    ledger.offer(purges(3..6, 8), head(8));
    assert_eq!(sent(&mut ledger, now + LATER * 2), 0, "the next ones are for another confirmation");
}

#[test]
fn deletions_within_the_share_go_once_no_others_join_them_and_those_under_way_count() {
    let (mut ledger, now) = (holding(10, 1), Instant::now());
    ledger.offer(purges(0..2, 5), head(5));
    assert_eq!((sent(&mut ledger, now), ledger.held_back()), (0, None));
    assert_eq!(sent(&mut ledger, now + guard::SETTLE), 1);
    // Joined while the first is under way: three together.
    ledger.offer(purges(2..3, 6), head(6));
    gave_up(&mut ledger, 0, 5, now);
    assert_eq!(sent(&mut ledger, now + LATER), 0);
    assert_eq!(ledger.held_back(), Some((2, Seq::new(0))), "two of nine");
    // One of them is taken back.
    ledger.offer(
        vec![Facts { desired: Desired { revision: revision(7), want: Want::Content(Vec::new()) }, ..facts(2, 7) }],
        head(7),
    );
    assert_eq!(sent(&mut ledger, now + LATER), 1, "the content");
    ledger.needed(&[id(2)]);
    ledger.give_back(id(2), revision(7));
    assert_eq!(sent(&mut ledger, now + LATER * 2), 1, "the deletion that is alone now");
}

#[test]
fn what_deletes_nothing_of_ours_is_not_guarded() {
    let (mut ledger, now) = (holding(4, 32), Instant::now());
    let mut observed = purges(0..2, 5);
    for facts in &mut observed {
        facts.binding.spec.delivered.mode = Mode::Observe;
    }
    let kept = (2..4).map(|n| removed(n, 5, DeletionPolicy::Retain));
    // Nothing of these is in the cluster.
    let absent = purges(7..9, 5);
    let all = observed.into_iter().chain(kept).chain(absent).collect();
    ledger.offer(all, head(5));
    assert_eq!(sent(&mut ledger, now), 6);
}

#[test]
fn what_the_agent_needs_again_is_still_held_and_deleting_it_is_a_deletion() {
    let (mut ledger, now) = (holding(4, 32), Instant::now());
    ledger.needed(&[id(0), id(1), id(2)]);
    assert_eq!(ledger.held().len(), 4);
    ledger.offer(purges(0..2, 5), head(5));
    assert_eq!(sent(&mut ledger, now + LATER), 0);
    assert_eq!(ledger.held_back(), Some((2, Seq::new(0))), "two of four, though the agent has lost what they were");
    ledger.offer(vec![facts(2, 1)], head(5));
    assert_eq!(sent(&mut ledger, now + LATER), 1, "the third is sent anew, though its revision is what the agent once had");
}

#[test]
fn needing_it_again_does_not_shorten_the_pause_after_a_refusal() {
    let (mut ledger, mut now) = (holding(1, 8), Instant::now());
    let mut tries = 0;
    for _ in 0..20 {
        // As often as an agent may ask.
        ledger.needed(&[id(0)]);
        ledger.offer(vec![facts(0, 5)], head(5));
        if next_seq(&mut ledger, now).is_some() {
            tries += 1;
            left(&mut ledger, 0, 5, now);
            assert!(ledger.rejected(id(0), revision(5), now));
        }
        now += Duration::from_secs(30);
    }
    assert!(tries < 12, "{tries} tries in ten minutes, and the pause is two minutes in the end");
}

#[test]
fn what_only_observes_is_no_part_of_what_a_cluster_holds() {
    let (mut ledger, now) = (holding(10, 32), Instant::now());
    let mut observing: Vec<Facts> = (2..10).map(|n| facts(n, 1)).collect();
    for facts in &mut observing {
        facts.binding.spec.delivered.mode = Mode::Observe;
        facts.acked = Some(Reported { revision: revision(1), digest: Some(digest(1)) });
    }
    ledger.offer(observing, head(5));
    assert!(ledger.observes(id(2)) && !ledger.observes(id(1)));
    ledger.offer(purges(0..2, 5), head(5));
    assert_eq!(sent(&mut ledger, now + LATER), 0);
    assert_eq!(ledger.held_back(), Some((2, Seq::new(0))), "two of two");
}

#[test]
fn a_confirmation_tells_the_version_of_each_item() {
    let (mut ledger, now) = (ledger(8), Instant::now());
    let version = |n| Version {
        id: VersionId { incarnation: Incarnation(DateTime::UNIX_EPOCH), number: VersionNumber::new(n).unwrap() },
        created: DateTime::UNIX_EPOCH,
        mark: lockstep_core::version::Mark::None,
    };
    let secret = |n| SecretRecord {
        id: Uuid::from_u128(n).into(),
        engine: Engine::KvV2,
        mount: "kv".parse().unwrap(),
        path: "a".parse().unwrap(),
        known: Known::default(),
        trace: None,
        problem: None,
    };
    let choices = vec![Choice::Newest(version(7)), Choice::Gone, Choice::Pinned(version(1).id.incarnation, version(3).id.number)];
    let desired = Desired { revision: revision(5), want: Want::Content(choices) };
    ledger.offer(vec![Facts { secrets: vec![secret(1), secret(2), secret(3)], desired, ..facts(1, 5) }], head(5));
    assert_eq!(next_seq(&mut ledger, now), Some(5));
    left(&mut ledger, 1, 5, now);
    let versions = [(1, Some(7)), (2, None), (3, Some(3))];
    let versions = versions.map(|(n, v)| (Uuid::from_u128(n).into(), v.and_then(VersionNumber::new)));
    assert_eq!(ack(&mut ledger, 1, 5, now), Some(Ok(Confirmed { took: Duration::ZERO, versions: versions.into() })));
}
