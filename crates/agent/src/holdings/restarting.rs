//! Content that changed: who uses it gets new pods, if the binding says so.

use lockstep_core::binding::Target;
use lockstep_core::id::BindingId;

use super::Holdings;
use crate::restart::{Changed, Due, Policy, Restarts};
use crate::state::ledger::Held;

impl Holdings {
    /// What restarts workloads, where there are any.
    pub(crate) fn restarts(&self) -> Option<&Restarts> {
        self.restarts.as_ref()
    }

    /// Says what became due by the newest change of a binding's content. May be said again at any time: what was restarted for it
    /// already is not restarted again.
    pub(super) async fn see_to_restarts(&self, binding: BindingId) {
        let Some(restarts) = &self.restarts else { return };
        match self.held(binding).await.and_then(|held| self.due(binding, held)) {
            Some(due) => restarts.want(due),
            None => restarts.forget(binding),
        }
    }

    /// Nothing restarts for it any more.
    pub(super) fn forget_restarts(&self, binding: BindingId) {
        if let Some(restarts) = &self.restarts {
            restarts.forget(binding);
        }
    }

    fn due(&self, binding: BindingId, held: Held) -> Option<Due> {
        let policy = Policy::of(&held.restart)?;
        let Target::Secret(target) = held.target else { return None };
        // A namespace in which the content is still the first one has nobody to restart.
        let places = self.sinks.changes(binding);
        let newest = places.iter().map(|(_, changed)| changed).max_by_key(|changed| changed.revision)?;
        let changed = Changed { revision: newest.revision, at: newest.at };
        let namespaces = places.iter().map(|(namespace, _)| namespace.to_string()).collect();
        Some(Due { binding, name: held.name, policy, secret: target.name.to_string(), namespaces, changed })
    }
}
