//! Content that changed: who uses it gets new pods, if the binding says so.

use std::collections::BTreeMap;

use lockstep_core::binding::{Restart, Target};
use lockstep_core::id::BindingId;

use super::Holdings;
use crate::restart::{Changed, Due, Policy, Restarts};

impl Holdings {
    /// What restarts workloads, where there are any.
    pub(crate) fn restarts(&self) -> Option<&Restarts> {
        self.restarts.as_ref()
    }

    /// Says what became due by the newest change of a binding's content. May be said again at any time: what was restarted for it
    /// already is not restarted again.
    pub(super) async fn see_to_restarts(&self, binding: BindingId) {
        let Some(restarts) = &self.restarts else { return };
        match self.held(binding).await.and_then(|held| self.due(binding, &held.name, &held.restart, &held.target)) {
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

    fn due(&self, binding: BindingId, name: &str, restart: &Restart, target: &Target) -> Option<Due> {
        let policy = Policy::of(restart)?;
        let Target::Secret(target) = target else { return None };
        // A namespace in which the content is still the first one has nobody to restart.
        let places = self.sinks.changes(binding).into_iter();
        let changes: BTreeMap<_, _> = places
            .map(|(namespace, changed)| (namespace.to_string(), Changed { revision: changed.revision, at: changed.at }))
            .collect();
        let (name, secret) = (name.to_owned(), target.name.to_string());
        (!changes.is_empty()).then_some(Due { binding, name, policy, secret, changes })
    }
}
