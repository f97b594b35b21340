//! Taking content.

use std::collections::BTreeSet;
use std::sync::Arc;

use lockstep_core::binding::Target;
use lockstep_core::name::Namespace;

use super::books::Books;
use super::former::former;
use super::{Holdings, digest_of};
use crate::delivery::{Answer, Applied, Put, Refusal};
use crate::sink::secret::Versions;
use crate::sink::{Expected, Observed, Owner, Stamp};
use crate::state::keyring::Keys;
use crate::state::ledger::{Compared, Held, Holding, REACHED_MAX};

impl Holdings {
    /// Applies content, or says why not. The same revision again is a repair.
    pub(crate) async fn put(&self, put: &Arc<Put>) -> Answer {
        let _turn = self.turns.take(put.binding).await;
        let result = self.try_put(put).await;
        if result.is_ok() {
            self.keep(put).await;
        }
        Answer { binding: put.binding, revision: put.revision, trace: put.trace, result }
    }

    pub(super) async fn try_put(&self, put: &Arc<Put>) -> Result<Applied, Refusal> {
        let asked = put.clone();
        let (owner, keys) = self.books(move |books| books.accept(&asked)).await?;
        let stamp = Stamp { revision: put.revision, digest: put.digest.clone() };
        let place = put.place();
        if put.observe {
            return self.try_compare(put, owner).await;
        }
        let before = self.holding(put.binding).await;
        self.begin(put).await?;
        let applied = self.sinks.apply(put, owner, &stamp, &keys).await;
        if applied.is_err() {
            self.record_failed(put, &stamp, before).await;
            // It may have come to some of its namespaces all the same.
            self.see_to_restarts(put.binding).await;
        }
        let (targets, there) = applied?;
        self.record(put, false).await?;
        self.give_up_former(put.binding).await;
        self.see_to_restarts(put.binding).await;
        let observed = match there {
            Some(digests) => Observed::Content(digests, stamp),
            None => self.sinks.observe(place, owner, Expected::whole(&put.digest), &keys).await?,
        };
        Ok(Applied::Put { digest: digest_of(&keys, &observed, &put.digest), targets })
    }

    async fn try_compare(&self, put: &Arc<Put>, owner: Owner) -> Result<Applied, Refusal> {
        let (comparison, versions) = self.sinks.compare(put.place(), owner.binding, &put.digest, &put.content).await?;
        let compared = put.clone();
        self.books(move |books| books.record_compared(&compared, versions)).await?;
        Ok(Applied::Observed { digest: put.digest.clone(), comparison })
    }

    /// Writes down where content may be from now on, before the first of it is there. A directory comes whole or not at all, and is
    /// known by its mark; what pods mount is nowhere but here.
    async fn begin(&self, put: &Arc<Put>) -> Result<(), Refusal> {
        if matches!(put.target, Target::Directory { .. } | Target::Csi(_)) {
            return Ok(());
        }
        self.sinks.locate(put.place(), put.binding, &put.digest).await?;
        let selected = self.sinks.selected(put.place(), put.binding);
        let begun = put.clone();
        self.books(move |books| books.record_begun(&begun, selected)).await
    }

    /// The delivery failed in some places at least, and may have come to others. If it came to none, all is as `before`.
    async fn record_failed(&self, put: &Arc<Put>, stamp: &Stamp, before: Option<Holding>) {
        let binding = put.binding;
        let recorded = match &put.target {
            Target::Directory { .. } | Target::Csi(_) => Ok(()),
            Target::Secret(_) if self.sinks.may_have(binding, stamp) => self.record(put, true).await,
            Target::Secret(_) => self.books(move |books| Ok(books.ledger.take_back(binding, before)?)).await,
        };
        if let Err(refusal) = recorded {
            tracing::warn!(%binding, cause = refusal.cause, "cannot record where a delivery that failed came");
        }
    }

    async fn record(&self, put: &Arc<Put>, unfinished: bool) -> Result<(), Refusal> {
        let selected = self.sinks.selected(put.place(), put.binding);
        let applied = put.clone();
        self.books(move |books| books.record_put(&applied, selected, unfinished)).await
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

    /// Records what is about to be written, if any place of it is new.
    fn record_begun(&mut self, put: &Put, selected: BTreeSet<Namespace>) -> Result<(), Refusal> {
        let held = self.held_by(put, selected, true);
        match self.ledger.get(put.binding) {
            Some(Holding::Held(before))
                if (&before.target, &before.reached, &before.former) == (&held.target, &held.reached, &held.former) =>
            {
                Ok(())
            }
            _ => Ok(self.ledger.record(put.binding, Holding::Held(held), Some(put.head))?),
        }
    }

    fn record_put(&mut self, put: &Put, selected: BTreeSet<Namespace>, unfinished: bool) -> Result<(), Refusal> {
        let held = self.held_by(put, selected, unfinished);
        Ok(self.ledger.record(put.binding, Holding::Held(held), Some(put.head))?)
    }

    fn held_by(&self, put: &Put, selected: BTreeSet<Namespace>, unfinished: bool) -> Held {
        let former = match self.ledger.get(put.binding) {
            Some(Holding::Held(before)) => former(before, &put.target, &selected),
            _ => Vec::new(),
        };
        Held {
            name: put.name.clone(),
            revision: put.revision,
            digest: put.digest.clone(),
            target: put.target.clone(),
            sources: put.sources.clone(),
            allowed: put.allowed.clone(),
            reached: selected.into_iter().take(REACHED_MAX).collect(),
            unfinished,
            restart: put.restart.clone(),
            former,
            purge_former: put.purge_former,
        }
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
}
