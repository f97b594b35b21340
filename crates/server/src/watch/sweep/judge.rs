//! From what was seen to what is recorded.

use lockstep_core::version::{Began, Observation, Seen, Verdict, observe};
use lockstep_store::secret::SecretRecord;

use super::{Look, SweepError, Sweeper, Turn, now};
use crate::watch::record::record;

impl Sweeper {
    /// Judges what was seen, confirms what would take something away, and records the changes in one transaction.
    pub(super) async fn judge(
        &mut self,
        look: &Look<'_>,
        seen: Vec<(SecretRecord, Seen)>,
        began: Began,
        confirmed: bool,
    ) -> Result<(), SweepError> {
        let (mut observations, mut judged, mut outcome) = (Vec::new(), Vec::new(), Ok(()));
        for (secret, seen) in seen {
            let id = secret.id;
            match self.judge_one(look, secret, Observation { began, at: now(), confirmed, seen }).await {
                Ok(changed) => {
                    observations.extend(changed);
                    judged.push(id);
                }
                // What was judged until here counts: many confirmations may take longer than the lease lives.
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        record(&self.app, &self.name, look.lease, observations).await?;
        for id in judged {
            // One whose confirmation failed is there already.
            self.covered.entry(id).or_insert(Turn::Seen);
        }
        outcome
    }

    async fn judge_one(
        &mut self,
        look: &Look<'_>,
        secret: SecretRecord,
        observation: Observation,
    ) -> Result<Option<(SecretRecord, Observation)>, SweepError> {
        let verdict = observe(&secret.known, &observation);
        if verdict == Verdict::Confirm {
            let confirmed = self.get(look, &secret).await?;
            return Ok(confirmed.map(|(began, seen)| (secret, Observation { began, at: now(), confirmed: true, seen })));
        }
        if !observation.confirmed {
            // The scan is enough to look at this one. What needs a GET is cleared by that, and by nothing else.
            self.note_problem(look, &secret, None).await?;
        }
        Ok(matches!(verdict, Verdict::Changed(_)).then_some((secret, observation)))
    }
}
