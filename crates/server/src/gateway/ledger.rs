//! What one session knows: what its agent holds, what waits, what is under way. Pure; time comes in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lockstep_core::binding::Mode;
use lockstep_core::digest::Digest;
use lockstep_core::history::Mark;
use lockstep_core::id::{BindingId, SecretId};
use lockstep_core::plan::{Difference, Reported, Want, diff};
use lockstep_core::revision::{Epoch, Revision, Seq};
use lockstep_core::version::VersionNumber;
use lockstep_store::desired::Facts;
use tokio::time::Instant;

mod guard;
mod pending;

pub(super) use guard::Guard;
use guard::Verdict;
use pending::Pending;

/// The revision of what is there and follows from no change that is known: it differs from all that are desired.
const NONE: Revision = Revision { epoch: Epoch::new(0), seq: Seq::new(0) };

/// The first pause after a delivery failed, doubled up to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_LONGEST: Duration = Duration::from_secs(120);
/// How long an agent may take to answer what was sent before it counts as lost and is sent again.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The state of one session.
pub(super) struct Ledger {
    in_flight_max: usize,
    /// What the agent said it holds.
    reported: BTreeMap<BindingId, Reported>,
    /// The registry's evidence: what it acked.
    acked: BTreeMap<BindingId, Reported>,
    /// What is not yet sent. Coalesces: a slow agent gets only the newest.
    pending: Pending,
    in_flight: BTreeMap<BindingId, Flight>,
    refused: BTreeMap<BindingId, Refusal>,
    /// Bindings that only observe: what the agent says of them is nothing that it holds.
    observing: BTreeSet<BindingId>,
    guard: Guard,
}

/// Something to send.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) facts: Facts,
    pub(super) head: Mark,
    /// Whether this revision was refused or could not be prepared before.
    pub(super) is_retry: bool,
}

struct Flight {
    revision: Revision,
    since: Instant,
    /// `None` while it is prepared or waits for room on the link: nobody can answer it yet, however long that takes.
    sent: Option<Sent>,
    /// The version of each item.
    versions: Vec<(SecretId, Option<VersionNumber>)>,
    /// A deletion that the guard let through.
    guarded: bool,
}

struct Sent {
    at: Instant,
    /// `None` for a Delete.
    digest: Option<Digest>,
}

/// What an agent confirmed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Confirmed {
    /// From taking it up to the answer.
    pub(super) took: Duration,
    /// The version of each item, in the binding's order.
    pub(super) versions: Vec<(SecretId, Option<VersionNumber>)>,
}

struct Refusal {
    revision: Revision,
    pause: Duration,
    until: Instant,
}

impl Ledger {
    pub(super) fn new(reported: BTreeMap<BindingId, Reported>, in_flight_max: usize, guard: Guard) -> Self {
        Self {
            in_flight_max,
            reported,
            acked: BTreeMap::new(),
            pending: Pending::default(),
            in_flight: BTreeMap::new(),
            refused: BTreeMap::new(),
            observing: BTreeSet::new(),
            guard,
        }
    }

    /// Takes placements as they are now. `true`: the agent holds what this registry never made.
    pub(super) fn offer(&mut self, facts: Vec<Facts>, head: Mark) -> bool {
        for facts in &facts {
            if facts.binding.spec.delivered.mode == Mode::Observe {
                self.observing.insert(facts.binding.id);
            } else {
                self.observing.remove(&facts.binding.id);
            }
            // This session's own evidence is never older than the registry's, which is written in batches.
            if let Some(acked) = &facts.acked {
                let own = self.acked.get(&facts.binding.id);
                if own.is_none_or(|own| own.revision < acked.revision) {
                    self.acked.insert(facts.binding.id, acked.clone());
                }
            }
        }
        let desired = facts.iter().map(|f| (f.binding.id, f.desired.clone())).collect();
        let Difference { put, delete, history_cut, .. } = diff(&desired, &self.reported, &self.acked);
        let mut facts: BTreeMap<BindingId, Facts> = facts.into_iter().map(|f| (f.binding.id, f)).collect();
        for id in facts.keys() {
            // Whatever waited is settled by what is true now.
            self.pending.remove(*id);
        }
        for id in put.into_iter().chain(delete) {
            if let Some(facts) = facts.remove(&id) {
                let under_way = self.in_flight.get(&id).is_some_and(|f| f.revision >= facts.desired.revision);
                if !under_way {
                    self.pending.insert(Work { facts, head, is_retry: false });
                }
            }
        }
        // Also what the registry does not know at all: it is not among its placements.
        let newest = Revision { epoch: head.epoch, seq: head.seq };
        history_cut || self.reported.values().any(|r| r.revision > newest)
    }

    /// Bindings that the agent has content of.
    pub(super) fn held(&self) -> Vec<BindingId> {
        self.reported.iter().filter(|(_, r)| r.digest.is_some()).map(|(id, _)| *id).collect()
    }

    /// Up to which change deletions were confirmed.
    pub(super) fn confirm_deletions(&mut self, up_to: Seq) {
        self.guard.confirm(up_to);
    }

    /// All of the cluster's placements were offered.
    pub(super) fn complete(&mut self) {
        self.guard.complete();
    }

    /// How many deletions the guard holds back, and up to which change they were confirmed; `None`: not judged yet.
    pub(super) fn held_back(&self) -> Option<(usize, Seq)> {
        self.guard.held_back()
    }

    /// Whether it deletes what the agent has, and nobody confirmed that.
    fn is_guarded(&self, facts: &Facts) -> bool {
        let has_content = self.reported.get(&facts.binding.id).is_some_and(|r| r.digest.is_some());
        facts.purges() && has_content && self.guard.guards(facts.desired.revision.seq)
    }

    /// Asks the guard.
    fn judge(&mut self, now: Instant) -> Verdict {
        let waiting: BTreeSet<_> =
            self.pending.purges().filter(|work| self.is_guarded(&work.facts)).map(|work| work.facts.binding.id).collect();
        let under_way = self.in_flight.values().filter(|f| f.guarded).count();
        let is_held = |(id, r): &(&BindingId, &Reported)| r.digest.is_some() && !self.observing.contains(*id);
        // Only counted where it matters: there may be ten thousand.
        let held = if waiting.is_empty() { 0 } else { self.reported.iter().filter(is_held).count() };
        self.guard.judge(waiting, under_way, held, now)
    }

    /// The next thing to send, oldest change first, and marks it as under way.
    pub(super) fn next(&mut self, now: Instant) -> Option<Work> {
        let verdict = self.judge(now);
        if self.in_flight.len() >= self.in_flight_max {
            return None;
        }
        let due = |work: &&Work| {
            let id = &work.facts.binding.id;
            !self.in_flight.contains_key(id)
                && (verdict == Verdict::Free || !self.is_guarded(&work.facts))
                && self.refused.get(id).is_none_or(|r| r.revision < work.facts.desired.revision || r.until <= now)
        };
        let id = self.pending.oldest_first().find(due)?.facts.binding.id;
        let mut work = self.pending.remove(id)?;
        let (revision, versions, guarded) = (work.facts.desired.revision, work.facts.versions(), self.is_guarded(&work.facts));
        work.is_retry = self.refused.get(&id).is_some_and(|r| r.revision == revision);
        self.in_flight.insert(id, Flight { revision, since: now, sent: None, versions, guarded });
        Some(work)
    }

    /// What is under way of a binding, if it is this revision.
    fn flight(&mut self, id: BindingId, revision: Revision) -> Option<&mut Flight> {
        self.in_flight.get_mut(&id).filter(|f| f.revision == revision)
    }

    /// When a delivery that is under way was taken up.
    pub(super) fn taken_up(&self, id: BindingId, revision: Revision) -> Option<Instant> {
        self.in_flight.get(&id).filter(|f| f.revision == revision).map(|f| f.since)
    }

    /// Whether the agent may answer this revision now.
    fn is_sent(&self, id: BindingId, revision: Revision) -> bool {
        self.in_flight.get(&id).is_some_and(|f| f.revision == revision && f.sent.is_some())
    }

    /// It left for the link, with this digest: from now on the agent may answer.
    pub(super) fn sent(&mut self, id: BindingId, revision: Revision, digest: Option<Digest>, now: Instant) {
        if let Some(flight) = self.flight(id, revision) {
            flight.sent = Some(Sent { at: now, digest });
        }
    }

    /// The agent confirmed. Answers what, or `None` if nothing of that revision was sent; `Err` if what it holds is not what was sent.
    pub(super) fn acked(&mut self, id: BindingId, reported: Reported, now: Instant) -> Option<Result<Confirmed, ()>> {
        let sent = self.flight(id, reported.revision)?.sent.take()?;
        if sent.digest != reported.digest {
            self.refuse(id, reported.revision, now);
            return Some(Err(()));
        }
        let flight = self.in_flight.remove(&id)?;
        self.refused.remove(&id);
        self.acked.insert(id, reported.clone());
        self.reported.insert(id, reported);
        Some(Ok(Confirmed { took: now - flight.since, versions: flight.versions }))
    }

    /// Whether the cluster never confirmed this revision, or a newer one: it is not only put back.
    pub(super) fn is_new(&self, id: BindingId, revision: Revision) -> bool {
        self.acked.get(&id).is_none_or(|acked| acked.revision < revision)
    }

    /// Whether the agent has content of this revision, and nothing of the binding is under way.
    pub(super) fn has_at(&self, id: BindingId, revision: Revision) -> bool {
        let is_there = self.reported.get(&id).is_some_and(|r| r.revision == revision && r.digest.is_some());
        is_there && !self.in_flight.contains_key(&id)
    }

    /// The revision of what the agent has of a binding, while nothing of it is under way.
    pub(super) fn revision_held(&self, id: BindingId) -> Option<Revision> {
        let held = self.reported.get(&id).filter(|r| r.digest.is_some() && r.revision != NONE)?;
        (!self.in_flight.contains_key(&id)).then_some(held.revision)
    }

    /// What was refused is tried again at once.
    pub(super) fn hurry(&mut self, now: Instant) {
        for refusal in self.refused.values_mut() {
            refusal.until = refusal.until.min(now);
        }
    }

    /// Whether a binding only observes.
    pub(super) fn observes(&self, id: BindingId) -> bool {
        self.observing.contains(&id)
    }

    /// The agent refused it. `false`: nothing of that revision was sent, and what is under way stays so.
    pub(super) fn rejected(&mut self, id: BindingId, revision: Revision, now: Instant) -> bool {
        let is_sent = self.is_sent(id, revision);
        if is_sent {
            self.refuse(id, revision, now);
        }
        is_sent
    }

    /// The agent refused it, or it could not be prepared: it is tried again after a pause, at once when something newer comes.
    pub(super) fn refuse(&mut self, id: BindingId, revision: Revision, now: Instant) {
        if !self.end(id, revision) {
            return;
        }
        let pause = match self.refused.get(&id) {
            Some(r) if r.revision == revision => (r.pause * 2).min(RETRY_LONGEST),
            _ => RETRY_FIRST,
        };
        self.refused.insert(id, Refusal { revision, pause, until: now + pause });
    }

    /// Leave to send was not given: it comes again with the next offer.
    pub(super) fn give_back(&mut self, id: BindingId, revision: Revision) {
        self.end(id, revision);
    }

    /// It is no longer under way. `false`: it was not, and what is stays so.
    fn end(&mut self, id: BindingId, revision: Revision) -> bool {
        let is_under_way = self.flight(id, revision).is_some();
        if is_under_way {
            self.in_flight.remove(&id);
        }
        is_under_way
    }

    /// The agent needs these again: what it said of them no longer holds, so that they are of no revision. It still has them, in whatever form:
    /// deleting them is a deletion. What it refused waits as long as before: it may ask again every half minute.
    pub(super) fn needed(&mut self, ids: &[BindingId]) {
        for id in ids {
            if let Some(reported) = self.reported.get_mut(id) {
                reported.revision = NONE;
            }
        }
    }

    /// What was sent and never answered counts as lost. Answers how many. What still waits for the link does not: it would be queued twice.
    pub(super) fn expire(&mut self, now: Instant) -> usize {
        let before = self.in_flight.len();
        self.in_flight.retain(|_, f| f.sent.as_ref().is_none_or(|sent| now - sent.at < ANSWER_LIMIT));
        before - self.in_flight.len()
    }
}

/// Whether the work gives something up.
pub(super) fn is_removal(work: &Work) -> bool {
    matches!(work.facts.desired.want, Want::Remove(_))
}

#[cfg(test)]
mod tests;
