//! What the ledger says of bindings whose content may be cached. Pure.

use std::collections::BTreeMap;

use lockstep_core::id::BindingId;
use lockstep_core::revision::Revision;

/// What the ledger says of one binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Booked {
    /// It is held, at this revision at least.
    Held(Revision),
    /// It was not held when the history was there.
    NotSince(Revision),
    /// Nothing was ever held.
    Never,
    /// There is no ledger here to ask.
    Unknown,
}

/// What the ledger says of all of them.
#[derive(Debug, Default)]
pub(crate) struct Bookings {
    /// What pods mount.
    pub(crate) mounted: BTreeMap<BindingId, Revision>,
    /// What is in Secrets, where that is cached too.
    pub(crate) secrets: BTreeMap<BindingId, Revision>,
    /// What was given up, or has a target that is not cached.
    pub(crate) gone: BTreeMap<BindingId, Revision>,
    /// The newest change that it knows of.
    pub(crate) floor: Option<Revision>,
    /// Whether there is no ledger to ask.
    pub(crate) is_unknown: bool,
}

impl Bookings {
    /// Of a replica that stands by: the one that works has the ledger.
    pub(crate) fn unknown() -> Self {
        Self { is_unknown: true, ..Self::default() }
    }

    /// What it says of this one.
    pub(super) fn of(&self, binding: BindingId) -> Booked {
        let held = self.mounted.get(&binding).or_else(|| self.secrets.get(&binding));
        match (held, self.gone.get(&binding), self.floor) {
            _ if self.is_unknown => Booked::Unknown,
            (Some(held), _, _) => Booked::Held(*held),
            (None, Some(gone), _) => Booked::NotSince(*gone),
            (None, None, Some(floor)) => Booked::NotSince(floor),
            (None, None, None) => Booked::Never,
        }
    }

    /// Whether it is held, as far as is known here.
    pub(super) fn is_held(&self, binding: BindingId) -> bool {
        matches!(self.of(binding), Booked::Held(_) | Booked::Unknown)
    }

    /// Whether an entry is of the target that the binding has.
    pub(super) fn is_of_its_target(&self, binding: BindingId, is_secret: bool) -> bool {
        self.is_unknown || is_secret == self.secrets.contains_key(&binding)
    }
}
