//! What waits to be sent: the newest of each binding, in the order of the changes it comes from.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::id::BindingId;
use lockstep_core::revision::Revision;

use super::Work;

/// Ten thousand may wait at the first sync of a cluster, and each answer asks for the next one: so the order is kept, not looked for.
#[derive(Default)]
pub(super) struct Pending {
    works: BTreeMap<BindingId, Work>,
    order: BTreeSet<(Revision, BindingId)>,
    /// Those that delete what a cluster may have.
    purges: BTreeSet<BindingId>,
}

impl Pending {
    /// Takes the place of what waited of the same binding.
    pub(super) fn insert(&mut self, work: Work) {
        let id = work.facts.binding.id;
        self.remove(id);
        self.order.insert((work.facts.desired.revision, id));
        if work.facts.purges() {
            self.purges.insert(id);
        }
        self.works.insert(id, work);
    }

    pub(super) fn remove(&mut self, id: BindingId) -> Option<Work> {
        let work = self.works.remove(&id)?;
        self.order.remove(&(work.facts.desired.revision, id));
        self.purges.remove(&id);
        Some(work)
    }

    /// All, the oldest change first.
    pub(super) fn oldest_first(&self) -> impl Iterator<Item = &Work> {
        self.order.iter().filter_map(|(_, id)| self.works.get(id))
    }

    /// Those that delete what a cluster may have.
    pub(super) fn purges(&self) -> impl Iterator<Item = &Work> {
        self.purges.iter().filter_map(|id| self.works.get(id))
    }
}
