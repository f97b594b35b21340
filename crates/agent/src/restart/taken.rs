//! A restart that somebody takes back: a controller that sets the whole template, and so without our annotation. It is tried again
//! after growing pauses, or two controllers would make new pods every second.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::revision::Revision;

use super::annotation::Restarted;

/// What is remembered of our restarts of one workload. Lost with the agent: then it is tried once more.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// The last restart, until it is found taken back.
    wrote: Option<Revision>,
    /// How often that was.
    times: u32,
    taken: Option<Taken>,
}

#[derive(Debug)]
struct Taken {
    by: String,
    again_at: DateTime<Utc>,
}

/// The pauses between tries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pauses {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Tries {
    /// It was restarted.
    pub(super) fn wrote(&mut self, restarted: Restarted) {
        self.wrote = Some(restarted.revision);
        self.taken = None;
    }

    /// What its template says now; `by`: who wrote it last, as far as that is on record: who only takes away is not.
    pub(super) fn note(&mut self, found: Option<Restarted>, by: &str, now: DateTime<Utc>, pauses: Pauses) {
        let is_taken = |wrote: Revision| found.is_none_or(|found| found.revision < wrote);
        if self.wrote.is_some_and(is_taken) {
            let pause = pauses.first.saturating_mul(2_u32.saturating_pow(self.times)).min(pauses.longest);
            self.wrote = None;
            self.times = self.times.saturating_add(1);
            self.taken = Some(Taken { by: by.to_owned(), again_at: now + pause });
        }
    }

    /// Why it is not tried now.
    pub(super) fn waits(&self, now: DateTime<Utc>) -> Option<String> {
        let taken = self.taken.as_ref().filter(|taken| now < taken.again_at)?;
        Some(format!("somebody takes the restart annotation away; {} wrote the workload last", taken.by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use lockstep_core::revision::{Epoch, Seq};

    #[test]
    fn each_restart_that_is_taken_back_makes_the_next_pause_longer() {
        let at = |second| DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        let restarted = |seq| Restarted { revision: Revision { epoch: Epoch::new(1), seq: Seq::new(seq) }, at: at(0) };
        let pauses = Pauses { first: Duration::from_secs(30), longest: Duration::from_secs(100) };
        let mut tries = Tries::default();
        tries.note(None, "flux", at(0), pauses);
        assert_eq!(tries.waits(at(0)), None, "nothing was taken");
        for pause in [30, 60, 100, 100] {
            tries.wrote(restarted(5));
            tries.note(Some(restarted(5)), "flux", at(10), pauses);
            assert_eq!(tries.waits(at(10)), None, "it is there");
            for found in [Some(restarted(4)), None] {
                tries.note(found, "flux", at(10), pauses);
            }
            assert_eq!(
                tries.waits(at(9 + pause)).as_deref(),
                Some("somebody takes the restart annotation away; flux wrote the workload last")
            );
            assert_eq!(tries.waits(at(10 + pause)), None);
        }
    }
}
