//! Asking for content again, within limits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lockstep_core::id::BindingId;

use crate::holdings::Checked;

/// At most one `Need` in this time.
pub(crate) const NEED_INTERVAL_MIN: Duration = Duration::from_secs(5);
/// A binding is asked for at most once in this time.
pub(crate) const NEED_BINDING_INTERVAL_MIN: Duration = Duration::from_secs(30);
/// The most bindings in one `Need` or `Report`; the rest is found again by the next look.
pub(crate) const NEED_BINDINGS_MAX: usize = 1000;

/// What was said about drift so far. It remembers for the process' life, so that a reconnect does not reset the limits.
#[derive(Debug, Default)]
pub(crate) struct DriftMemory {
    /// Bindings that were found drifted at the last look.
    drifted: BTreeSet<BindingId>,
    /// When the last `Need` was sent.
    needed: Option<Duration>,
    /// When each binding was last asked for; forgotten when its time is over.
    needed_bindings: BTreeMap<BindingId, Duration>,
}

/// What to send after a look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Drifted since the last look: to be reported.
    pub(crate) report: Vec<BindingId>,
    /// To be asked for.
    pub(crate) need: Vec<BindingId>,
}

impl DriftMemory {
    /// Digests one look at everything, at time `now`. What is over a limit is not queued: the next look finds it again.
    pub(crate) fn digest(&mut self, now: Duration, checked: &[(BindingId, Checked)]) -> Findings {
        let mut findings = Findings::default();
        let mut drifted = BTreeSet::new();
        let may_need = self.needed.is_none_or(|at| now.saturating_sub(at) >= NEED_INTERVAL_MIN);
        self.needed_bindings.retain(|_, at| now.saturating_sub(*at) < NEED_BINDING_INTERVAL_MIN);
        for (binding, checked) in checked {
            let known = self.drifted.contains(binding);
            let restorable = match checked {
                Checked::Same => continue,
                Checked::Unknown => {
                    if known {
                        drifted.insert(*binding);
                    }
                    continue;
                }
                Checked::Drifted => true,
                // Once, so that the conflict is seen; asking again would only be refused again.
                Checked::Taken => !known,
            };
            if !known && findings.report.len() == NEED_BINDINGS_MAX {
                continue;
            }
            drifted.insert(*binding);
            if !known {
                findings.report.push(*binding);
            }
            let free = restorable && may_need && !self.needed_bindings.contains_key(binding);
            if free && findings.need.len() < NEED_BINDINGS_MAX {
                findings.need.push(*binding);
            }
        }
        self.drifted = drifted;
        if !findings.need.is_empty() {
            self.needed = Some(now);
            self.needed_bindings.extend(findings.need.iter().map(|binding| (*binding, now)));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn binding(number: u128) -> BindingId {
        Uuid::from_u128(number).into()
    }

    #[test]
    fn drift_is_reported_once_and_asked_for_within_the_limits() {
        let mut memory = DriftMemory::default();
        let (one, two) = (binding(1), binding(2));
        let both = [(one, Checked::Drifted), (two, Checked::Drifted)];
        for (second, checked, report, need) in [
            (0, &both[..1], vec![one], vec![one]),
            (1, &both[..], vec![two], vec![]),
            (4, &both[..], vec![], vec![]),
            (5, &both[..], vec![], vec![two]),
            (29, &both[..], vec![], vec![]),
            (30, &both[..], vec![], vec![one]),
            (36, &both[..], vec![], vec![two]),
            (40, &[(one, Checked::Same), (two, Checked::Unknown)], vec![], vec![]),
            (90, &both[..], vec![one], vec![one, two]),
        ] {
            let findings = memory.digest(Duration::from_secs(second), checked);
            assert_eq!(findings, Findings { report, need }, "second {second}");
        }
    }

    #[test]
    fn a_target_that_is_somebody_elses_is_asked_for_once() {
        let mut memory = DriftMemory::default();
        let taken = [(binding(1), Checked::Taken)];
        let asked: usize = (0..10).map(|i| memory.digest(NEED_BINDING_INTERVAL_MIN * i, &taken).need.len()).sum();
        assert_eq!(asked, 1);
    }

    #[test]
    fn one_message_has_a_bounded_number_of_bindings_and_the_rest_follows() {
        let mut memory = DriftMemory::default();
        let many: Vec<_> = (0..1500).map(|i| (binding(i), Checked::Drifted)).collect();
        let counts = [0, 5, 10].map(|s| {
            let findings = memory.digest(Duration::from_secs(s), &many);
            (findings.report.len(), findings.need.len())
        });
        assert_eq!(counts, [(1000, 1000), (500, 500), (0, 0)]);
    }
}
