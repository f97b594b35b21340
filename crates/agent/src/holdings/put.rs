//! Taking content.

use std::sync::Arc;

use lockstep_core::binding::Target;
use lockstep_core::id::BindingId;

use super::books::Books;
use super::{Holdings, digest_of};
use crate::delivery::{Answer, Applied, Put, Refusal};
use crate::sink::secret::Versions;
use crate::sink::{Observed, Owner, SinkError, Stamp};
use crate::state::keyring::Keys;
use crate::state::ledger::{Compared, Held, Holding};

impl Holdings {
    /// Applies content, or says why not. The same revision again is a repair.
    pub(crate) async fn put(&self, put: &Arc<Put>) -> Answer {
        let _turn = self.turns.take(put.binding).await;
        Answer { binding: put.binding, revision: put.revision, trace: put.trace, result: self.try_put(put).await }
    }

    async fn try_put(&self, put: &Arc<Put>) -> Result<Applied, Refusal> {
        let asked = put.clone();
        let (owner, keys) = self.books(move |books| books.accept(&asked)).await?;
        let stamp = Stamp { revision: put.revision, digest: put.digest.clone() };
        let place = put.place();
        if put.observe {
            return self.try_compare(put, owner).await;
        }
        let applied = self.sinks.apply(place, owner, &stamp, &put.content, &keys).await;
        let (targets, there) = applied.inspect_err(|_| self.see_to_restarts_of_failed(put))?;
        let applied = put.clone();
        self.books(move |books| books.record_applied(&applied)).await?;
        self.remove_former(put.binding).await;
        self.see_to_restarts(put.binding).await;
        let observed = match there {
            Some(digests) => Observed::Content(digests, stamp),
            None => self.observe(put.binding, place, &put.digest).await?,
        };
        Ok(Applied::Put { digest: digest_of(&keys, &observed, &put.digest), targets })
    }

    async fn try_compare(&self, put: &Arc<Put>, owner: Owner) -> Result<Applied, Refusal> {
        let (comparison, versions) = self.sinks.compare(put.place(), owner.binding, &put.digest, &put.content).await?;
        let compared = put.clone();
        self.books(move |books| books.record_compared(&compared, versions)).await?;
        Ok(Applied::Observed { digest: put.digest.clone(), comparison })
    }

    /// Removes what was delivered under names that the binding no longer has. What fails is tried again at the next look.
    pub(super) async fn remove_former(&self, binding: BindingId) {
        let Some((held, owner, keys)) = self.books(move |books| books.former(binding)).await else { return };
        let mut left = Vec::new();
        for target in &held.former {
            match self.sinks.remove(held.place_of(target), owner, &held.digest, &keys, Some(held.place())).await {
                Ok(()) => {}
                Err(SinkError::Conflict(cause)) => {
                    tracing::warn!(%binding, cause, "what was delivered under a former name is left: it is not ours any more");
                }
                Err(error) => {
                    tracing::warn!(%binding, cause = %error, "what was delivered under a former name cannot be removed yet");
                    left.push(target.clone());
                }
            }
        }
        let held = Held { former: left, ..held };
        if let Err(error) = self.books(move |books| books.ledger.record(binding, Holding::Held(held), None)).await {
            tracing::warn!(%binding, cause = %error, "a former target's removal cannot be recorded; it is tried again");
        }
    }
}

impl Books {
    /// Whether this may be applied; then, under whose name and with which keys.
    fn accept(&self, put: &Put) -> Result<(Owner, Keys), Refusal> {
        self.refuse_older(put.binding, put.revision)?;
        let keys = self.ring.keys();
        let key = keys.get(&put.digest.key).ok_or_else(|| {
            Refusal::failed(format!("the digest is made with key {}, which this agent was not told", put.digest.key.as_str()))
        })?;
        if key.digest(&put.content) != put.digest {
            return Err(Refusal::failed("digest does not match the content: nothing was changed, it must be sent again"));
        }
        let owner = self.owner(put.binding).ok_or_else(|| Refusal::failed("no registry has greeted this agent yet"))?;
        Ok((owner, keys))
    }

    fn record_applied(&mut self, put: &Put) -> Result<(), Refusal> {
        let held = Held {
            name: put.name.clone(),
            revision: put.revision,
            digest: put.digest.clone(),
            target: put.target.clone(),
            allowed: put.allowed.clone(),
            restart: put.restart.clone(),
            former: self.former_targets(put.binding, &put.target),
        };
        Ok(self.ledger.record(put.binding, Holding::Held(held), Some(put.head))?)
    }

    fn record_compared(&mut self, put: &Put, versions: Versions) -> Result<(), Refusal> {
        let compared = Compared {
            name: put.name.clone(),
            revision: put.revision,
            digest: put.digest.clone(),
            target: put.target.clone(),
            versions,
            allowed: put.allowed.clone(),
        };
        Ok(self.ledger.record(put.binding, Holding::Observed(compared), Some(put.head))?)
    }

    fn former_targets(&self, binding: BindingId, now: &Target) -> Vec<Target> {
        let Some(Holding::Held(held)) = self.ledger.get(binding) else { return Vec::new() };
        held.former.iter().chain([&held.target]).filter(|target| *target != now).cloned().collect()
    }

    /// What stands under former names, if anything.
    fn former(&self, binding: BindingId) -> Option<(Held, Owner, Keys)> {
        match self.ledger.get(binding) {
            Some(Holding::Held(held)) if !held.former.is_empty() => Some((held.clone(), self.owner(binding)?, self.ring.keys())),
            _ => None,
        }
    }
}
