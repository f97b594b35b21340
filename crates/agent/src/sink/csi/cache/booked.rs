//! What the ledger says of bindings that pods mount. Pure.

use std::collections::BTreeMap;

use lockstep_core::id::BindingId;
use lockstep_core::revision::Revision;

/// What the ledger says of one binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink::csi) enum Booked {
    /// It is held, at this revision at least.
    Held(Revision),
    /// It was not held when the history was there.
    NotSince(Revision),
    /// Nothing was ever held.
    Never,
}

/// What the ledger says of all of them.
#[derive(Debug, Default)]
pub(crate) struct Mounted {
    /// What pods mount.
    pub(crate) held: BTreeMap<BindingId, Revision>,
    /// What was given up, or has another target now.
    pub(crate) gone: BTreeMap<BindingId, Revision>,
    /// The newest change that it knows of.
    pub(crate) floor: Option<Revision>,
}

impl Mounted {
    /// What it says of this one.
    pub(in crate::sink::csi) fn of(&self, binding: BindingId) -> Booked {
        match (self.held.get(&binding), self.gone.get(&binding), self.floor) {
            (Some(held), _, _) => Booked::Held(*held),
            (None, Some(gone), _) => Booked::NotSince(*gone),
            (None, None, Some(floor)) => Booked::NotSince(floor),
            (None, None, None) => Booked::Never,
        }
    }

    /// The bindings that pods mount.
    pub(in crate::sink::csi) fn held(&self) -> impl Iterator<Item = BindingId> {
        self.held.keys().copied()
    }
}
