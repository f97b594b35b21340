//! What pods may mount: nothing is written in the cluster, node agents ask for it.
//!
//! It is in memory, opened. With a cache it is on disk too, sealed, so that pods start while neither a server nor a Vault is there.

mod entry;
mod look_up;
mod wanted;

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use lockstep_core::binding::CsiTarget;
use lockstep_core::id::BindingId;

use super::{Observed, SinkError, Stamp};
use crate::delivery::Put;
use crate::state::keyring::Keys;
use entry::Entry;
pub(crate) use wanted::{Asker, Found, NotGiven, Wanted};

/// What pods may mount.
#[derive(Debug, Default)]
pub(crate) struct Csi {
    entries: RwLock<BTreeMap<BindingId, Entry>>,
}

impl Csi {
    /// See [`super::Sinks::apply`].
    pub(crate) fn apply(&self, put: &Put, target: CsiTarget, stamp: Stamp, keys: &Keys) -> Result<(), SinkError> {
        let key = keys.get(&stamp.digest.key).ok_or_else(|| SinkError::UnknownKey(stamp.digest.key.as_str().to_owned()))?;
        let entry = Entry::new(put, target, stamp, key);
        self.write(|entries| entries.insert(put.binding, entry));
        Ok(())
    }

    /// See [`super::Sinks::observe`].
    pub(crate) fn observe(&self, binding: BindingId, keys: &Keys) -> Observed {
        self.read(|entries| match entries.get(&binding) {
            None => Observed::Absent,
            Some(entry) => Observed::Content(keys.digests(&entry.content), entry.stamp.clone()),
        })
    }

    /// No pod mounts it any more.
    pub(crate) fn remove(&self, binding: BindingId) {
        self.write(|entries| entries.remove(&binding));
    }

    /// What a pod may have of what it asks for.
    pub(crate) fn look_up(&self, asker: Asker<'_>, wanted: &Wanted) -> Result<Found, NotGiven> {
        self.read(|entries| look_up::look_up(entries.values(), asker, wanted))
    }

    fn read<T>(&self, work: impl FnOnce(&BTreeMap<BindingId, Entry>) -> T) -> T {
        work(&self.entries.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, work: impl FnOnce(&mut BTreeMap<BindingId, Entry>) -> T) -> T {
        work(&mut self.entries.write().unwrap_or_else(PoisonError::into_inner))
    }
}
