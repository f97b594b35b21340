//! Whose fault it is that a request came to nothing: the secret's, or the source's. Pure.
//!
//! One path can break an engine, or take longer than a call may, while all others are well; a source in trouble says the same of each.
//! So several in a row are the source's fault. Those that it concerned are asked last from then on: where they are the only ones, all
//! others have been looked at by then.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::id::SecretId;

/// So many requests in a row without an answer are the source's fault: it is not asked for the rest.
const IN_A_ROW: u32 = 3;
/// So many secrets that were not answered before may again cost a request without an answer in one look, which may take as long as a call.
const AGAIN_MAX: u32 = 3;

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not known yet: the next one tells.
    Unclear,
    /// The secret's: not the first time, and the source answers others.
    Secret,
    /// The source's.
    Source,
}

/// What is known of requests without an answer.
#[derive(Default)]
pub(super) struct Doubts {
    /// Secrets that were not answered for, and which of these was asked last.
    suspects: BTreeMap<SecretId, u64>,
    turn: u64,
    in_a_row: u32,
    /// Whether the source has answered in the present look.
    heard: bool,
    /// Suspects that were again not answered for in the present look.
    again: u32,
}

impl Doubts {
    /// A new look, at these.
    pub(super) fn begin_look(&mut self, bound: &BTreeSet<SecretId>) {
        self.suspects.retain(|id, _| bound.contains(id));
        (self.in_a_row, self.heard, self.again) = (0, false, 0);
    }

    /// When this secret was asked for without an answer, in an order of such; `None`: it is above suspicion.
    pub(super) fn turn_of(&self, secret: SecretId) -> Option<u64> {
        self.suspects.get(&secret).copied()
    }

    /// Whether the suspects that are left wait for the next look, where the order is theirs.
    pub(super) fn has_enough(&self) -> bool {
        self.heard && self.again >= AGAIN_MAX
    }

    /// The source answered, be it with a refusal.
    pub(super) fn answered(&mut self, secret: Option<SecretId>) {
        (self.in_a_row, self.heard) = (0, true);
        if let Some(id) = secret {
            self.suspects.remove(&id);
        }
    }

    /// There was no answer for this secret; `None`: for a scan.
    pub(super) fn unanswered(&mut self, secret: Option<SecretId>) -> Fault {
        self.turn += 1;
        let is_again = secret.is_some_and(|id| self.suspects.insert(id, self.turn).is_some());
        if is_again && self.heard {
            self.again += 1;
            return Fault::Secret;
        }
        self.in_a_row += 1;
        if self.in_a_row < IN_A_ROW {
            return Fault::Unclear;
        }
        self.in_a_row = 0;
        Fault::Source
    }

    /// Whether the source has answered in the present look.
    pub(super) fn heard(&self) -> bool {
        self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn ids(count: u128) -> Vec<SecretId> {
        (1..=count).map(|n| Uuid::from_u128(n).into()).collect()
    }

    /// One look at these in order of suspicion: who was asked for, and whether the source was given up at some point.
    fn look(doubts: &mut Doubts, bound: &[SecretId], answers: impl Fn(&SecretId) -> bool) -> (Vec<SecretId>, u32) {
        doubts.begin_look(&bound.iter().copied().collect());
        let mut order = bound.to_vec();
        order.sort_by_key(|id| doubts.turn_of(*id));
        let (mut asked, mut given_up) = (Vec::new(), 0);
        for id in order {
            if doubts.turn_of(id).is_some() && doubts.has_enough() {
                continue;
            }
            asked.push(id);
            if answers(&id) {
                doubts.answered(Some(id));
            } else if doubts.unanswered(Some(id)) == Fault::Source {
                given_up += 1;
            }
        }
        (asked, given_up)
    }

    #[test]
    fn one_that_is_not_answered_for_is_asked_last_and_is_itself_at_fault_the_second_time() {
        let (mut doubts, bound) = (Doubts::default(), ids(4));
        let bad = bound[1];
        assert_eq!(look(&mut doubts, &bound, |id| *id != bad), (bound.clone(), 0));
        let (asked, given_up) = look(&mut doubts, &bound, |id| *id != bad);
        assert_eq!((asked.last(), given_up, doubts.again), (Some(&bad), 0, 1));
        look(&mut doubts, &bound, |_| true);
        assert_eq!(doubts.turn_of(bad), None, "it answered");
    }

    #[test]
    fn a_source_that_answers_nothing_is_given_up_after_a_few() {
        let (mut doubts, bound) = (Doubts::default(), ids(9));
        for look_at_all in 0..3 {
            assert_eq!(look(&mut doubts, &bound, |_| false).1, 3, "look {look_at_all}: three of nine each time");
            assert!(!doubts.heard());
        }
        assert_eq!(look(&mut doubts, &bound, |_| true), (bound, 0), "all are asked for as soon as it answers");
    }

    #[test]
    fn many_bad_ones_take_turns_and_hold_up_no_other() {
        let (mut doubts, bound) = (Doubts::default(), ids(20));
        let (bad, good) = bound.split_at(15);
        look(&mut doubts, &bound, |id| good.contains(id));
        let mut seen = BTreeSet::new();
        for _ in 0..5 {
            let (asked, given_up) = look(&mut doubts, &bound, |id| good.contains(id));
            assert_eq!((&asked[..5], asked.len(), given_up), (good, 8, 0));
            seen.extend(asked);
        }
        assert!(bad.iter().all(|id| seen.contains(id)), "each had a turn");
    }
}
