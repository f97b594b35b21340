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
mod failure;
mod field;
mod location;
mod mark;
mod memory;
mod namespaces;
mod object;
mod remove;
mod view;
mod watch;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use futures::stream::{self, StreamExt as _};
use lockstep_core::binding::SecretTarget;
use lockstep_core::digest::Digest;
use lockstep_core::id::BindingId;
use lockstep_core::name::Namespace;
use lockstep_core::namespaces::AllowedNamespaces;
use lockstep_core::render::Rendered;

use super::touched::Touched;
use super::{Observed, Owner, SinkError, Stamp, Targets};
use crate::agent::Surroundings;
use crate::clock::Clock;
use crate::command::SecretAccess;
use crate::kubernetes::Kubernetes;
use crate::lease::Leadership;
use crate::state::keyring::Keys;
use api::Api;
use apply::Job;
use compare::count;
use location::Location;
use memory::{Look, Memory};
use namespaces::Namespaces;
use view::View;
use watch::{Scope, Watches};

pub(crate) use compare::Comparison;
pub(crate) use mark::Changed;

/// How many Secrets of one binding are written or looked at side by side.
const LOCATIONS_AT_ONCE: usize = 8;

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
    touched: Arc<Touched>,
}

impl Secrets {
    /// A sink that tells `touched` of every change that is not its own.
    pub(crate) fn new(kubernetes: &Kubernetes, access: SecretAccess, surroundings: &Surroundings, touched: Arc<Touched>) -> Self {
        let Surroundings { clock, metrics, leadership, .. } = surroundings.clone();
        let api = Api::new(kubernetes, metrics);
        let (memory, namespaces) = (Memory::default(), Namespaces::default());
        let shared = Shared { api, access, leadership, clock, memory, namespaces, touched };
        Self { shared: Arc::new(shared), watches: Watches::default() }
    }

    /// See [`super::Sinks::apply`].
    pub(crate) async fn apply(
        &self,
        destination: Destination<'_>,
        owner: Owner,
        stamp: &Stamp,
        content: &Rendered,
        keys: &Keys,
    ) -> Result<Targets, SinkError> {
        let locations = self.locate(destination, owner.binding, &stamp.digest, false).await?;
        let job = Job { owner, target: destination.target, stamp, content, keys, digests: keys.digests(content) };
        let results = side_by_side(locations.iter().map(|location| self.shared.apply_at(&job, location))).await;
        self.count();
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
        digest: &Digest,
        keys: &Keys,
    ) -> Result<Observed, SinkError> {
        let locations = self.locate(destination, owner.binding, digest, false).await?;
        let results = side_by_side(locations.iter().map(|location| self.observe_at(destination, owner, location, keys))).await;
        self.count();
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
    ) -> Result<Comparison, SinkError> {
        let locations = self.locate(destination, binding, digest, true).await?;
        let results = side_by_side(locations.iter().map(|location| self.shared.compare_at(binding, content, location))).await;
        let mut sum = Comparison::default();
        for compared in results {
            let Comparison { would_change, total } = compared?;
            sum = Comparison { would_change: sum.would_change + would_change, total: sum.total + total };
        }
        Ok(sum)
    }

    /// Whether something changed since `binding` was compared.
    pub(crate) async fn is_compared(
        &self,
        destination: Destination<'_>,
        binding: BindingId,
        digest: &Digest,
    ) -> Result<bool, SinkError> {
        let locations = self.locate(destination, binding, digest, true).await?;
        Ok(!locations.iter().any(|location| self.shared.memory.differs_from_compared(location, binding)))
    }

    /// Nothing of `binding` is here any more, or nobody looks after it.
    pub(crate) fn leave(&self, binding: BindingId) {
        self.shared.memory.forget(binding);
        self.shared.namespaces.forget(binding);
        self.watches.want(&self.shared, binding, BTreeSet::new());
    }

    /// Where the content of `binding` replaced other content, and when last.
    pub(crate) fn changes(&self, binding: BindingId) -> Vec<(Namespace, Changed)> {
        let marks = self.shared.memory.marks(binding).into_iter();
        marks.filter_map(|(location, mark)| Some((location.namespace, mark.changed?))).collect()
    }

    /// Who changed the content of `binding`, and where, if it was found changed.
    pub(crate) fn changed_by(&self, binding: BindingId) -> Option<(String, String)> {
        self.shared.memory.changed_by(binding).map(|(location, manager)| (location.to_string(), manager))
    }

    async fn observe_at(
        &self,
        destination: Destination<'_>,
        owner: Owner,
        location: &Location,
        keys: &Keys,
    ) -> Result<Observed, SinkError> {
        let shared = &self.shared;
        if let Some(seen) = shared.memory.unchanged(location, owner.binding) {
            return Ok(Observed::Content(seen.digests, seen.mark.stamp()));
        }
        let object = shared.api.get(location).await.map_err(|failure| failure.explain("look at", "get", location))?;
        let Some(object) = object else {
            let (_, known) = shared.memory.known(location, owner.binding);
            shared.memory.looked(location, owner.binding, Look::default());
            // In a namespace that was selected only now nothing was ever written.
            let is_new = known.is_none() && !destination.target.namespaces.contains(&location.namespace);
            return Ok(if is_new { Observed::Incomplete } else { Observed::Absent });
        };
        let (observed, look) = View::of(&object, owner, location, keys).look(destination.target, keys);
        shared.memory.looked(location, owner.binding, look);
        Ok(observed)
    }

    /// Where a binding's content is, from now on; begins to watch there.
    async fn locate(
        &self,
        destination: Destination<'_>,
        binding: BindingId,
        digest: &Digest,
        by_name: bool,
    ) -> Result<Vec<Location>, SinkError> {
        let locations = self.locations(destination, binding, digest).await?;
        let mut scopes: BTreeSet<Scope> = locations.iter().map(|location| self.scope(location, by_name)).collect();
        match &destination.target.namespace_selector {
            Some(selector) => {
                self.shared.namespaces.tell(binding, selector, destination.allowed);
                scopes.insert(Scope::Namespaces);
            }
            None => self.shared.namespaces.forget(binding),
        }
        self.shared.memory.locate(binding, &locations);
        self.watches.want(&self.shared, binding, scopes);
        Ok(locations)
    }

    /// `by_name`: what is there may not carry our label.
    fn scope(&self, location: &Location, by_name: bool) -> Scope {
        match self.shared.access {
            SecretAccess::Namespaces if !by_name => Scope::Namespace(location.namespace.clone()),
            _ => Scope::Object(location.clone()),
        }
    }

    async fn locations(
        &self,
        destination: Destination<'_>,
        binding: BindingId,
        digest: &Digest,
    ) -> Result<Vec<Location>, SinkError> {
        let Destination { target, allowed } = destination;
        let mut namespaces: BTreeSet<Namespace> = target.namespaces.iter().cloned().collect();
        if let Some(selector) = &target.namespace_selector {
            self.watches.want_also(&self.shared, binding, Scope::Namespaces);
            namespaces.extend(self.shared.namespaces.selected(selector, allowed).await?);
        }
        Ok(location::locations(&location::name(target, digest)?, namespaces))
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

/// Works on all of them, a few at a time, whatever becomes of each.
async fn side_by_side<T>(work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    // Collected first: a stream of a closure's futures cannot be sent between threads (rust-lang/rust#102211).
    let work: Vec<_> = work.collect();
    stream::iter(work).buffered(LOCATIONS_AT_ONCE).collect().await
}

/// What may pass by itself is told before what needs a person.
fn first_error(results: Vec<Result<(), SinkError>>, done: u32, total: u32) -> Result<(), SinkError> {
    let mut errors: Vec<SinkError> = results.into_iter().filter_map(Result::err).collect();
    errors.sort_by_key(|error| matches!(error, SinkError::Conflict(_)));
    match errors.into_iter().next() {
        None => Ok(()),
        Some(error) if done == 0 => Err(error),
        Some(SinkError::Conflict(cause)) => Err(SinkError::Conflict(format!("{cause} ({done} of {total} Secrets are done)"))),
        Some(SinkError::Kubernetes(cause)) => Err(SinkError::Kubernetes(format!("{cause} ({done} of {total} Secrets are done)"))),
        Some(error) => Err(error),
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}
