//! What is said about a binding's restarts.

use lockstep_core::delivery::RestartProgress;
use lockstep_core::id::BindingId;
use lockstep_core::revision::Revision;

use super::Changed;
use super::kind::Workload;
use super::plan::{Moment, Stand, Tracked, is_due, stand};

/// The most entries of a list; then it says how many more there are.
const ENTRIES_MAX: usize = 10;

/// How far the restarts for a binding's newest change are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) binding: BindingId,
    /// Of the newest change.
    pub(crate) revision: Revision,
    /// Workloads that were restarted for it, of `total`.
    pub(crate) restarted: u32,
    /// Workloads that need it, without those skipped.
    pub(crate) total: u32,
    /// Workloads that are rolled out with it, of `restarted`.
    pub(crate) healthy: u32,
    /// What needs somebody's help: which, and why.
    pub(crate) stuck: Vec<String>,
    /// What is left alone: which, and why.
    pub(crate) skipped: Vec<String>,
}

impl Report {
    /// As the protocol carries it.
    pub(crate) fn progress(&self) -> RestartProgress {
        RestartProgress {
            restarted: self.restarted,
            total: self.total,
            healthy: self.healthy,
            stuck: self.stuck.clone(),
            skipped: self.skipped.clone(),
        }
    }
}

/// Counts for a report.
#[derive(Debug)]
pub(super) struct Tally {
    report: Report,
    stuck_more: usize,
    skipped_more: usize,
}

impl Tally {
    /// Begins with what was said when workloads were looked for.
    pub(super) fn new<'a>(
        binding: BindingId,
        revision: Revision,
        troubles: impl IntoIterator<Item = &'a String>,
        missing: &[String],
    ) -> Self {
        let (stuck, skipped) = (Vec::new(), Vec::new());
        let report = Report { binding, revision, restarted: 0, total: 0, healthy: 0, stuck, skipped };
        let mut tally = Self { report, stuck_more: 0, skipped_more: 0 };
        for why in troubles {
            tally.stuck(why.clone());
        }
        for why in missing {
            tally.skipped(why.clone());
        }
        tally
    }

    /// Adds a workload, which has to be restarted for `changed`.
    pub(super) fn count(&mut self, workload: &Workload, tracked: &Tracked, changed: &Changed, moment: Moment) {
        let stand = stand(tracked, std::slice::from_ref(changed), moment);
        if let Stand::LeftAlone(why) = stand {
            self.skipped(format!("{workload}: {why}"));
            return;
        }
        if let Some(kept) = tracked.seen.kept_back {
            self.skipped(format!("{workload}: {kept}"));
        }
        self.report.total += 1;
        self.report.restarted += u32::from(!is_due(&tracked.seen, changed, moment));
        match stand {
            Stand::Healthy => self.report.healthy += 1,
            Stand::Stuck(why) => self.stuck(format!("{workload}: {why}")),
            Stand::Due | Stand::Renewing | Stand::Moving | Stand::LeftAlone(_) => {}
        }
    }

    fn stuck(&mut self, text: String) {
        push(&mut self.report.stuck, text, &mut self.stuck_more);
    }

    fn skipped(&mut self, text: String) {
        push(&mut self.report.skipped, text, &mut self.skipped_more);
    }

    /// The report.
    pub(super) fn finish(mut self) -> Report {
        for (list, more) in [(&mut self.report.stuck, self.stuck_more), (&mut self.report.skipped, self.skipped_more)] {
            if more > 0 {
                list.push(format!("and {more} more"));
            }
        }
        self.report
    }
}

fn push(list: &mut Vec<String>, text: String, more: &mut usize) {
    if list.len() < ENTRIES_MAX {
        list.push(text);
    } else {
        *more += 1;
    }
}

impl Report {
    /// Whether nothing is left to do or to wait for.
    pub(super) fn is_finished(&self) -> bool {
        self.healthy == self.total && self.stuck.is_empty() && self.skipped.is_empty()
    }
}
