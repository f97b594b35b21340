//! Where bindings have their content, and what is watched for it.

use std::collections::BTreeSet;

use lockstep_core::digest::Digest;
use lockstep_core::id::BindingId;
use lockstep_core::name::Namespace;

use super::location::{self, Location};
use super::watch::Scope;
use super::{Destination, Secrets};
use crate::command::SecretAccess;
use crate::sink::{Owner, SinkError};
use crate::state::keyring::Keys;

impl Secrets {
    /// Where a binding's content is, from now on; begins to watch there.
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
