//! One secret, by a request of its own.

use lockstep_core::version::{Began, Seen};
use lockstep_store::secret::{self, SecretRecord};
use lockstep_store::{StoreError, lease};
use lockstep_vault::{Concern, VaultError};

use super::{Look, SweepError, Sweeper, Turn};
use crate::watch::sweep::doubts::Fault;

impl Sweeper {
    /// Looks at one secret and records what changed.
    pub(super) async fn look_at(&mut self, look: &Look<'_>, secret: &SecretRecord) -> Result<(), SweepError> {
        match self.get(look, secret).await? {
            Some((began, seen)) => self.judge(look, vec![(secret.clone(), seen)], began, true).await,
            None => Ok(()),
        }
    }

    /// Asks for one secret. What concerns only this one is noted there and stops no other; a failure of the source ends the sweep. Either
    /// way it had its turn: when the look is gone on with, the others come first.
    pub(super) async fn get(&mut self, look: &Look<'_>, secret: &SecretRecord) -> Result<Option<(Began, Seen)>, SweepError> {
        let (began, seen) = self.see(look, secret).await?;
        let error = match seen {
            Ok(seen) => {
                self.doubts.answered(Some(secret.id));
                self.note_problem(look, secret, None).await?;
                return Ok(Some((began, seen)));
            }
            Err(error) => error,
        };
        self.heed(&error);
        self.covered.insert(secret.id, Turn::Failed);
        let fault = match error.concern() {
            Concern::Request => {
                self.doubts.answered(Some(secret.id));
                Fault::Secret
            }
            Concern::Either => self.doubts.unanswered(Some(secret.id)),
            Concern::Vault => Fault::Source,
        };
        match fault {
            Fault::Source => return Err(error.into()),
            Fault::Secret => self.note_problem(look, secret, Some(&error.to_string())).await?,
            // One lost packet is no news.
            Fault::Unclear => {}
        }
        tracing::warn!(source = %self.name, %error, "one secret could not be looked at");
        self.remember(error);
        Ok(None)
    }

    fn remember(&mut self, error: VaultError) {
        if error.concern() == Concern::Either {
            self.unanswered = Some(error);
        }
    }

    pub(super) async fn note_problem(
        &self,
        look: &Look<'_>,
        secret: &SecretRecord,
        problem: Option<&str>,
    ) -> Result<(), SweepError> {
        if secret.problem.as_deref() != problem {
            let mut fenced = lease::begin_fenced(&self.app.pool, look.lease).await?;
            secret::note_problem(&mut fenced, secret.id, problem).await?;
            fenced.commit().await.map_err(StoreError::from)?;
        }
        Ok(())
    }
}
