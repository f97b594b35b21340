//! Where bindings have their content, and what is watched for it.

use std::collections::BTreeSet;

use lockstep_core::digest::Digest;
use lockstep_core::id::BindingId;
use lockstep_core::name::Namespace;

use super::location::{self, Location};
use super::watch::Scope;
use super::{Destination, Secrets};
use crate::command::SecretAccess;
use crate::sink::{Owner, SinkError, Stamp};
use crate::state::keyring::Keys;

impl Secrets {
    /// Where a binding's content is, from now on; begins to watch there. `by_name`: it is only compared there, so what is there may not
    /// carry our label.
    pub(super) async fn locate(
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
        self.shared.memory.locate(binding, &locations, by_name);
        self.watches.want(&self.shared, binding, scopes);
        Ok(locations)
    }

    /// See [`crate::sink::Sinks::locate`].
    pub(crate) async fn settle(
        &self,
        destination: Destination<'_>,
        binding: BindingId,
        digest: &Digest,
    ) -> Result<(), SinkError> {
        self.locate(destination, binding, digest, false).await.map(drop)
    }

    /// The namespaces of the places that a binding was last located at.
    pub(crate) fn located(&self, binding: BindingId) -> BTreeSet<Namespace> {
        self.shared.memory.locations(binding).into_iter().map(|location| location.namespace).collect()
    }

    /// The namespaces in which content of a binding was found.
    pub(crate) fn found(&self, binding: BindingId) -> BTreeSet<Namespace> {
        self.shared.memory.marks(binding).into_iter().map(|(location, _)| location.namespace).collect()
    }

    /// See [`crate::sink::Sinks::may_have`].
    pub(crate) fn may_have(&self, binding: BindingId, stamp: &Stamp) -> bool {
        self.shared.memory.may_have(binding, stamp)
    }

    /// Whether a namespace is known not to be there.
    pub(crate) fn is_gone(&self, namespace: &Namespace) -> bool {
        self.shared.namespaces.is_gone(namespace)
    }

    /// `by_name`: what is there may not carry our label.
    fn scope(&self, location: &Location, by_name: bool) -> Scope {
        match self.shared.access {
            SecretAccess::Namespaces if !by_name => Scope::Namespace(location.namespace.clone()),
            _ => Scope::Object(location.clone()),
        }
    }

    /// The Secrets of a target.
    pub(super) async fn locations(
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

    /// What an immutable target has in the namespaces of `locations`, of whichever content. `unused`: it is refused while somebody
    /// refers to it.
    pub(super) async fn hashed(
        &self,
        destination: Destination<'_>,
        owner: Owner,
        locations: &[Location],
        unused: bool,
        keys: &Keys,
    ) -> Result<Vec<Location>, SinkError> {
        let mut all = Vec::new();
        for Location { namespace, .. } in locations {
            let hashed = self.shared.hashed(owner, destination.target, namespace, keys).await?;
            let hashed: Vec<Location> = hashed.into_iter().map(|hashed| hashed.location).collect();
            let used = if unused { self.shared.mentioned(namespace, &hashed).await? } else { BTreeSet::new() };
            if let Some(name) = used.first() {
                return Err(SinkError::Kubernetes(format!(
                    "Secret {namespace}/{name} is still used: it is kept until nobody refers to it"
                )));
            }
            all.extend(hashed);
        }
        Ok(all)
    }
}
