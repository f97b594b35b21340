//! The delete guard: one cluster loses no more than its share at once, unless a person confirmed it. Pure; time comes in.

use std::collections::BTreeSet;
use std::time::Duration;

use lockstep_core::id::BindingId;
use lockstep_core::revision::Seq;
use tokio::time::Instant;

/// Deletions are judged once no other has joined them for this long: what a script deletes one by one is judged together.
pub(super) const SETTLE: Duration = Duration::from_secs(2);

/// What is known of the deletions of one cluster.
pub(in crate::gateway) struct Guard {
    /// The share of what a cluster holds that may go at once.
    percent: u8,
    /// Deletions decided up to this change were confirmed.
    confirmed: Seq,
    /// Whether all of the cluster's placements were read: before that, a few deletions may be the first of many.
    complete: bool,
    waiting: BTreeSet<BindingId>,
    last_joined: Option<Instant>,
    verdict: Verdict,
}

/// What becomes of the deletions that wait and that nobody confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Others may still join them.
    Unsettled,
    /// They may be sent.
    Free,
    /// They are too many: none is sent.
    Held(usize),
}

impl Guard {
    pub(in crate::gateway) fn new(percent: u8) -> Self {
        Self {
            percent,
            confirmed: Seq::default(),
            complete: false,
            waiting: BTreeSet::new(),
            last_joined: None,
            verdict: Verdict::Unsettled,
        }
    }

    /// Up to which change deletions were confirmed.
    pub(super) fn confirm(&mut self, up_to: Seq) {
        self.confirmed = up_to;
    }

    /// All placements were read.
    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    /// Whether nobody confirmed a deletion that was decided by this change.
    pub(super) fn guards(&self, seq: Seq) -> bool {
        seq > self.confirmed
    }

    /// Judges those that wait, beside those that are `under_way`, in a cluster that has content of `held` bindings.
    pub(super) fn judge(&mut self, waiting: BTreeSet<BindingId>, under_way: usize, held: usize, now: Instant) -> Verdict {
        if !waiting.is_subset(&self.waiting) {
            self.last_joined = Some(now);
        }
        self.waiting = waiting;
        self.verdict = if !self.complete {
            Verdict::Unsettled
        } else if self.waiting.is_empty() {
            Verdict::Free
        } else if under_way + self.waiting.len() > share(held, self.percent) {
            Verdict::Held(self.waiting.len())
        } else if self.last_joined.is_some_and(|joined| now < joined + SETTLE) {
            Verdict::Unsettled
        } else {
            Verdict::Free
        };
        self.verdict
    }

    /// How many are held back, and up to which change deletions were confirmed when that was judged; `None` while others may join.
    pub(super) fn held_back(&self) -> Option<(usize, Seq)> {
        match self.verdict {
            Verdict::Unsettled => None,
            Verdict::Free => Some((0, self.confirmed)),
            Verdict::Held(count) => Some((count, self.confirmed)),
        }
    }
}

/// How many may go at once; one always may.
fn share(held: usize, percent: u8) -> usize {
    (held.saturating_mul(usize::from(percent)) / 100).max(1)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn ids(numbers: std::ops::Range<u128>) -> BTreeSet<BindingId> {
        numbers.map(|n| Uuid::from_u128(n).into()).collect()
    }

    #[test]
    fn a_cluster_loses_no_more_than_its_share_at_once_and_one_always_may_go() {
        use Verdict::{Free, Held};
        for (percent, held, under_way, waiting, want) in [
            (20, 10, 0, 2, Free),
            (20, 10, 0, 3, Held(3)),
            (20, 10, 1, 1, Free),
            (20, 10, 1, 2, Held(2)),
            (20, 10, 2, 1, Held(1)),
            (20, 9, 0, 2, Held(2)),
            (20, 4, 0, 1, Free),
            (20, 1, 0, 1, Free),
            (20, 2, 0, 2, Held(2)),
            (20, 1_000, 0, 200, Free),
            (20, 1_000, 0, 201, Held(201)),
            (0, 1_000, 0, 1, Free),
            (0, 1_000, 0, 2, Held(2)),
            (100, 1_000, 400, 600, Free),
        ] {
            let mut guard = Guard::new(percent);
            guard.complete();
            let now = Instant::now();
            guard.judge(ids(0..waiting), under_way, held, now);
            let case = format!("{waiting} waiting and {under_way} under way of {held} at {percent} %");
            assert_eq!(guard.judge(ids(0..waiting), under_way, held, now + SETTLE), want, "{case}");
        }
    }

    #[test]
    fn they_are_judged_together_with_what_joins_them_and_never_before_all_is_known() {
        let (mut guard, now) = (Guard::new(20), Instant::now());
        assert_eq!(guard.judge(ids(0..1), 0, 100, now + SETTLE * 9), Verdict::Unsettled, "not all was read");
        assert_eq!(guard.held_back(), None);
        guard.complete();
        let later = now + SETTLE * 9;
        assert_eq!(guard.judge(ids(0..2), 0, 10, later), Verdict::Unsettled);
        assert_eq!(guard.judge(ids(0..2), 0, 10, later + SETTLE / 2), Verdict::Unsettled);
        assert_eq!(guard.judge(ids(0..3), 0, 10, later + SETTLE / 2), Verdict::Held(3), "known at once");
        assert_eq!(guard.held_back(), Some((3, Seq::new(0))));
        assert_eq!(guard.judge(ids(0..2), 0, 10, later + SETTLE), Verdict::Unsettled, "the third has just gone");
        assert_eq!(guard.judge(ids(0..2), 0, 10, later + SETTLE * 2), Verdict::Free);
        assert_eq!(guard.judge(ids(0..0), 0, 10, later + SETTLE * 2), Verdict::Free);
    }
}
