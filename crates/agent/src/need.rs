//! Asking for content again, within limits, and telling drift from a fight.
//!
//! Content that is found changed or missing is asked for at once. What drifts again soon after is asked for after growing pauses: two
//! controllers that write the same thing must not become load. From the third time within ten minutes on it is told as a conflict.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lockstep_core::id::BindingId;

use crate::holdings::Checked;

/// At most one `Need` in this time.
pub(crate) const NEED_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// A binding whose content does not come is asked for again after this time.
pub(crate) const NEED_BINDING_INTERVAL_MIN: Duration = Duration::from_secs(30);
/// The most bindings in one `Need` or `Report`; the rest follows.
pub(crate) const NEED_BINDINGS_MAX: usize = 1000;
/// The pause before a second repair: whoever edits a thing once more is not fighting yet.
const PAUSE_SECOND: Duration = Duration::from_secs(2);
/// The pause before a third repair, doubled for each after it up to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(30);
const PAUSE_LONGEST: Duration = Duration::from_mins(30);
/// So many drifts within this time are a fight.
const FIGHT_DRIFTS: usize = 3;
const FIGHT_WINDOW: Duration = Duration::from_mins(10);

/// What was said about drift so far. It remembers for the process' life, so that a reconnect does not reset the limits.
#[derive(Debug, Default)]
pub(crate) struct DriftMemory {
    troubles: BTreeMap<BindingId, Trouble>,
    /// When the last `Need` was sent.
    needed: Option<Duration>,
}

/// A binding that was not as it should be, and is not forgotten yet.
#[derive(Debug, Default)]
struct Trouble {
    standing: Standing,
    /// When it drifted anew, of the last ones within [`FIGHT_WINDOW`].
    drifts: Vec<Duration>,
    /// How often it drifted since it was last quiet.
    count: u32,
    /// When it was last found otherwise than it should be, or was set right.
    last: Duration,
    /// When it was last asked for.
    asked: Option<Duration>,
    /// Whether what was asked for came, or it was set right otherwise.
    answered: bool,
    /// When content was last applied since it drifted.
    applied: Option<Duration>,
    is_fight: bool,
    /// Whether the server was told of a conflict, and of nothing better since.
    told: bool,
}

/// As found by the last look.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Standing {
    #[default]
    Quiet,
    Drifted,
    Wanting,
    Taken,
}

/// What to send after a look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Drifted since the last look: to be reported.
    pub(crate) report: Vec<BindingId>,
    /// To be asked for.
    pub(crate) need: Vec<BindingId>,
    /// Somebody writes them again and again: to be told as conflicts.
    pub(crate) fights: Vec<Fight>,
}

/// Somebody else writes what this binding writes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fight {
    pub(crate) binding: BindingId,
    /// Where, and who, if that is known.
    pub(crate) by: Option<(String, String)>,
    /// How long nothing is done about it.
    pub(crate) pause: Duration,
}

impl DriftMemory {
    /// Takes the results of a look at time `now`; `all`: at everything there is. `may_ask`: whether asking has a point. What is over a
    /// limit stays due.
    pub(crate) fn digest(&mut self, now: Duration, checked: &[(BindingId, Checked)], all: bool, may_ask: bool) -> Findings {
        let mut findings = Findings::default();
        for (binding, checked) in checked {
            self.note(now, *binding, checked, &mut findings);
        }
        if all {
            let present: BTreeSet<BindingId> = checked.iter().map(|(binding, _)| *binding).collect();
            self.troubles.retain(|binding, _| present.contains(binding));
        }
        if may_ask && self.may_need_at() <= now {
            for binding in self.due(now) {
                if findings.need.len() < NEED_BINDINGS_MAX {
                    findings.need.push(binding);
                }
            }
        }
        for binding in &findings.need {
            if let Some(trouble) = self.troubles.get_mut(binding) {
                trouble.asked = Some(now);
                trouble.answered = false;
            }
            self.needed = Some(now);
        }
        self.troubles.retain(|_, trouble| !trouble.is_over(now));
        findings
    }

    /// Takes what a greeting at time `now` told the server: whatever is not as it should be was asked for with it.
    pub(crate) fn greeted(&mut self, now: Duration, checked: &[(BindingId, Checked)]) -> Findings {
        let findings = self.digest(now, checked, true, false);
        for trouble in self.troubles.values_mut().filter(|trouble| trouble.standing != Standing::Quiet) {
            trouble.asked = Some(now);
            trouble.answered = false;
        }
        findings
    }

    /// Content of `binding` was applied at time `now`.
    pub(crate) fn applied(&mut self, now: Duration, binding: BindingId) {
        if let Some(trouble) = self.troubles.get_mut(&binding) {
            trouble.last = now;
            trouble.standing = Standing::Quiet;
            trouble.answered = true;
            trouble.applied = Some(now);
            trouble.told = false;
        }
    }

    /// Whether content was applied since the binding was looked at, so that what was found then says nothing: counted again, one drift would
    /// be two.
    pub(crate) fn is_overtaken(&self, binding: BindingId, looked_at: Duration) -> bool {
        self.troubles.get(&binding).and_then(|trouble| trouble.applied).is_some_and(|applied| applied >= looked_at)
    }

    /// When something is to be asked for next, if nothing else happens.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.troubles.values().filter_map(Trouble::due).min().map(|due| due.max(self.may_need_at()))
    }

    /// What may be asked for at time `now`.
    pub(crate) fn due(&self, now: Duration) -> Vec<BindingId> {
        let due = self.troubles.iter().filter(|(_, trouble)| trouble.due().is_some_and(|due| due <= now));
        due.map(|(binding, _)| *binding).collect()
    }

    fn may_need_at(&self) -> Duration {
        self.needed.map_or(Duration::ZERO, |at| at + NEED_INTERVAL_MIN)
    }

    fn note(&mut self, now: Duration, binding: BindingId, checked: &Checked, findings: &mut Findings) {
        let standing = match checked {
            Checked::Unknown => return,
            Checked::Same => Standing::Quiet,
            Checked::Drifted { .. } => Standing::Drifted,
            Checked::Wanting => Standing::Wanting,
            Checked::Taken => Standing::Taken,
        };
        if standing == Standing::Quiet {
            if let Some(trouble) = self.troubles.get_mut(&binding) {
                trouble.standing = standing;
                trouble.answered = true;
                if trouble.told && trouble.is_calm(now) && findings.need.len() < NEED_BINDINGS_MAX {
                    // What the server was told last is a conflict that is over.
                    findings.need.push(binding);
                    trouble.told = false;
                }
            }
            return;
        }
        let known = self.troubles.get(&binding).map_or(Standing::Quiet, |trouble| trouble.standing);
        let is_new = known != standing && standing != Standing::Wanting;
        if is_new && findings.report.len() == NEED_BINDINGS_MAX {
            return;
        }
        let trouble = self.troubles.entry(binding).or_default();
        if trouble.is_calm(now) {
            *trouble = Trouble { asked: trouble.asked, answered: trouble.answered, ..Trouble::default() };
        }
        trouble.standing = standing;
        trouble.last = now;
        if is_new {
            findings.report.push(binding);
            trouble.drifted(now);
            if let (true, Checked::Drifted { by }) = (trouble.is_fight, checked) {
                trouble.told = true;
                findings.fights.push(Fight { binding, by: by.clone(), pause: trouble.pause() });
            }
        }
    }
}

impl Trouble {
    fn drifted(&mut self, now: Duration) {
        self.drifts.retain(|at| now.saturating_sub(*at) < FIGHT_WINDOW);
        self.drifts.push(now);
        self.count = self.count.saturating_add(1);
        self.is_fight |= self.drifts.len() >= FIGHT_DRIFTS;
    }

    /// How long after the last repair the next one comes.
    fn pause(&self) -> Duration {
        match self.count {
            0 | 1 => Duration::ZERO,
            2 => PAUSE_SECOND,
            count => PAUSE_FIRST.saturating_mul(1 << (count - 3).min(16)).min(PAUSE_LONGEST),
        }
    }

    /// From when on it may be asked for.
    fn due(&self) -> Option<Duration> {
        let pause = match self.standing {
            Standing::Quiet => return None,
            // Once, so that the conflict is seen; asking again would only be refused again.
            Standing::Taken => return if self.asked.is_none() { Some(Duration::ZERO) } else { None },
            Standing::Wanting => NEED_BINDING_INTERVAL_MIN,
            Standing::Drifted if self.answered => self.pause(),
            Standing::Drifted => self.pause().max(NEED_BINDING_INTERVAL_MIN),
        };
        Some(self.asked.map_or(Duration::ZERO, |at| at + pause))
    }

    /// Whether nothing happened for longer than what would count as a fight.
    fn is_calm(&self, now: Duration) -> bool {
        now.saturating_sub(self.last) >= self.pause().max(FIGHT_WINDOW)
    }

    /// Whether nothing of it matters any more.
    fn is_over(&self, now: Duration) -> bool {
        let asked = self.asked.is_none_or(|at| now.saturating_sub(at) >= NEED_BINDING_INTERVAL_MIN);
        self.standing == Standing::Quiet && asked && self.is_calm(now) && !self.told
    }
}

#[cfg(test)]
mod tests;
