//! The Secret sink: a Kubernetes Secret in each namespace of a target, written by server-side apply.
//!
//! Each binding is a field manager of its own, `lockstep.<binding id>`, so that several may put keys into one Secret and none takes
//! another's ([ADR 0012](../../../../docs/adr/0012-a-field-manager-for-each-binding.md)). What a binding wrote is known by its mark, an
//! annotation with an HMAC, never by a name. Every write is for just the version of the Secret that was looked at.

mod api;
mod apply;
mod body;
mod compare;
mod conflict;
mod events;
mod explain;
mod failure;
mod field;
mod location;
mod mark;
mod memory;
mod mentions;
mod namespaces;
mod object;
mod observe;
mod older;
mod places;
mod remove;
mod together;
mod view;
mod watch;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use lockstep_core::binding::SecretTarget;
use lockstep_core::digest::Digest;
use lockstep_core::id::BindingId;
use lockstep_core::name::Namespace;
use lockstep_core::namespaces::AllowedNamespaces;
use lockstep_core::render::Rendered;

use super::touched::Touched;
use super::{Expected, Observed, Owner, SinkError, Stamp, Targets};
use crate::agent::Surroundings;
use crate::clock::Clock;
use crate::command::SecretAccess;
use crate::kubernetes::Kubernetes;
use crate::lease::Leadership;
use crate::state::keyring::Keys;
use api::Api;
use apply::Job;
use compare::count;
use events::{Budget, Reason};
use location::Location;
use memory::Memory;
use namespaces::Namespaces;
use older::Older;
use together::{LOCATIONS_AT_ONCE, first_error, side_by_side};
use watch::Watches;

pub(crate) use compare::{Comparison, Versions};
pub(crate) use mark::Changed;

/// Where content goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) target: &'a SecretTarget,
    /// Of the namespaces that the target selects by label.
    pub(crate) allowed: &'a AllowedNamespaces,
}

/// The sink.
pub(crate) struct Secrets {
    shared: Arc<Shared>,
    watches: Watches,
}

/// What its watches share with it.
struct Shared {
    api: Api,
    access: SecretAccess,
    leadership: Leadership,
    clock: Arc<dyn Clock>,
    memory: Memory,
    namespaces: Namespaces,
    older: Older,
    events: Budget,
    /// The agent's own, for Events.
    pod: String,
    touched: Arc<Touched>,
}

impl Secrets {
    /// A sink that tells `touched` of every change that is not its own.
    pub(crate) fn new(
        kubernetes: &Kubernetes,
        access: SecretAccess,
        keep_older: Duration,
        surroundings: &Surroundings,
        touched: Arc<Touched>,
    ) -> Self {
        let Surroundings { clock, metrics, leadership, .. } = surroundings.clone();
        let api = Api::new(kubernetes, metrics);
        let shared = Shared {
            api,
            access,
            leadership,
            clock,
            memory: Memory::default(),
            namespaces: Namespaces::default(),
            older: Older::kept(keep_older),
            events: Budget::default(),
            pod: kubernetes.pod.clone(),
            touched,
        };
        Self { shared: Arc::new(shared), watches: Watches::default() }
    }

    /// See [`super::Sinks::apply`].
    pub(crate) async fn apply(
        &self,
        destination: Destination<'_>,
        owner: Owner,
        registered: Option<DateTime<Utc>>,
        stamp: &Stamp,
        content: &Rendered,
        keys: &Keys,
    ) -> Result<Targets, SinkError> {
        let locations = self.locate(destination, owner.binding, &stamp.digest, false).await?;
        let job = Job { owner, registered, target: destination.target, stamp, content, keys, digests: keys.digests(content) };
        let results = side_by_side(locations.iter().map(|location| self.shared.apply_at(&job, location))).await;
        for (location, result) in locations.iter().zip(&results) {
            self.shared.memory.set_refused(location, owner.binding, result.is_err());
        }
        self.count();
        self.shared.older.came(owner.binding);
        self.tell(&locations, stamp, &results);
        let total = count(locations.len());
        let applied = count(results.iter().filter(|result| result.is_ok()).count());
        first_error(results, applied, total)?;
        Ok(Targets { applied, total })
    }

    /// See [`super::Sinks::observe`].
    pub(crate) async fn observe(
        &self,
        destination: Destination<'_>,
        owner: Owner,
        expected: Expected<'_>,
        keys: &Keys,
    ) -> Result<Observed, SinkError> {
        let locations = self.locate(destination, owner.binding, expected.digest, false).await?;
        let looks = locations.iter().map(|location| self.shared.observe_at(destination, owner, location, expected, keys));
        let results = side_by_side(looks).await;
        self.count();
        // Where the newest content did not come, the one before is all there is.
        if !expected.unfinished {
            self.shared.tidy(owner, destination.target, &locations, keys).await;
        }
        let observed = results.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Observed::together(observed))
    }

    /// See [`super::Sinks::remove`].
    pub(crate) async fn remove(
        &self,
        destination: Destination<'_>,
        owner: Owner,
        digest: &Digest,
        keys: &Keys,
        except: Option<Destination<'_>>,
    ) -> Result<(), SinkError> {
        let mut locations = self.locations(destination, owner.binding, digest).await?;
        // With a namespace goes what was in it, and the right to look there.
        locations.retain(|location| !self.is_gone(&location.namespace));
        if destination.target.immutable {
            locations = self.hashed(destination, owner, &locations, except.is_some(), keys).await?;
        }
        match except {
            Some(except) => {
                let kept = self.locations(except, owner.binding, digest).await?;
                locations.retain(|location| !kept.contains(location));
            }
            None => self.leave(owner.binding),
        }
        let results = side_by_side(locations.iter().map(|location| self.shared.remove_at(owner, location, keys))).await;
        self.count();
        let removed = count(results.iter().filter(|result| result.is_ok()).count());
        first_error(results, removed, count(locations.len()))
    }

    /// See [`super::Sinks::compare`].
    pub(crate) async fn compare(
        &self,
        destination: Destination<'_>,
        binding: BindingId,
        digest: &Digest,
        content: &Rendered,
    ) -> Result<(Comparison, Versions), SinkError> {
        let locations = self.locate(destination, binding, digest, true).await?;
        let target = destination.target;
        let results =
            side_by_side(locations.iter().map(|location| self.shared.compare_at(binding, target, content, location))).await;
        let (mut sum, mut versions) = (Comparison::default(), Versions::new());
        for (location, compared) in locations.into_iter().zip(results) {
            let (comparison, version) = compared?;
            sum = sum + comparison;
            versions.insert(location.namespace, version);
        }
        Ok((sum, versions))
    }

    /// See [`super::Sinks::is_compared`].
    pub(crate) async fn is_compared(
        &self,
        destination: Destination<'_>,
        binding: BindingId,
        digest: &Digest,
        versions: &Versions,
    ) -> Result<bool, SinkError> {
        let locations = self.locate(destination, binding, digest, true).await?;
        let results =
            side_by_side(locations.iter().map(|at| self.shared.is_compared_at(binding, at, versions.get(&at.namespace))));
        let is_compared: Vec<bool> = results.await.into_iter().collect::<Result<_, _>>()?;
        // A namespace that went is not to be counted any more.
        Ok(locations.len() == versions.len() && is_compared.into_iter().all(|is_compared| is_compared))
    }

    /// Nothing of `binding` is here any more, or nobody looks after it.
    pub(crate) fn leave(&self, binding: BindingId) {
        self.shared.memory.forget(binding);
        self.shared.namespaces.forget(binding);
        self.watches.want(&self.shared, binding, BTreeSet::new());
    }

    /// See [`super::Sinks::changes`].
    pub(crate) fn changes(&self, binding: BindingId) -> Vec<(Namespace, Changed)> {
        let marks = self.shared.memory.marks(binding).into_iter();
        marks.filter_map(|(location, mark)| Some((location.namespace, mark.changed()?))).collect()
    }

    /// Nothing more comes for `binding` until a person decides, and this is why.
    pub(crate) async fn tell_held(&self, binding: BindingId, why: &str) {
        for (location, _) in self.shared.memory.marks(binding) {
            self.shared.tell(&location, Reason::Held, why).await;
        }
    }

    /// Who changed the content of `binding`, and where, if it was found changed.
    pub(crate) fn changed_by(&self, binding: BindingId) -> Option<(String, String)> {
        self.shared.memory.changed_by(binding).map(|(location, manager)| (location.to_string(), manager))
    }

    /// Tells people what became of a delivery; nobody waits for that.
    fn tell(&self, locations: &[Location], stamp: &Stamp, results: &[Result<bool, SinkError>]) {
        let told =
            locations.iter().zip(results).filter_map(|(location, result)| Some((location.clone(), events::of(stamp, result)?)));
        let told: Vec<_> = told.take(LOCATIONS_AT_ONCE).collect();
        if !told.is_empty() {
            let shared = self.shared.clone();
            tokio::spawn(async move {
                for (location, (reason, note)) in told {
                    shared.tell(&location, reason, &note).await;
                }
            });
        }
    }

    fn count(&self) {
        self.shared.api.metrics().secrets.set(i64::from(count(self.shared.memory.count())));
    }
}

impl Shared {
    /// Checked before each write.
    fn must_lead(&self) -> Result<(), SinkError> {
        Ok(self.leadership.check()?)
    }

    /// When a write that begins now has come, in whole seconds.
    fn soon(&self) -> DateTime<Utc> {
        self.clock.now().trunc_subsecs(0) + TimeDelta::seconds(1)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests;
