//! Sinks: where content goes in a cluster.
//!
//! A target says which sink it is for. [`Target`] is a closed set, so a new sink is a new arm in each `match` here and nothing
//! more: the compiler lists them.

pub(crate) mod csi;
pub(crate) mod directory;
mod error;
mod mark;
mod observed;
mod rank;
pub(crate) mod secret;
pub(crate) mod touched;

use std::collections::BTreeSet;
use std::sync::Arc;

use lockstep_core::binding::Target;
use lockstep_core::digest::Digest;
use lockstep_core::id::{BindingId, RegistryId};
use lockstep_core::name::Namespace;
use lockstep_core::namespaces::AllowedNamespaces;
use lockstep_core::render::Rendered;
use lockstep_core::revision::Revision;

use crate::blocking::blocking;
use crate::delivery::Put;
use crate::state::keyring::{Digests, Keys};
use csi::Csi;
use directory::Directory;
use error::{NO_DIRECTORIES, NO_NODES, NO_SECRETS, ONLY_SECRETS};
use secret::{Changed, Comparison, Destination, Secrets, Versions};
use touched::Touched;

pub(crate) use error::SinkError;
pub(crate) use observed::Observed;

/// Whose something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The registry that delivered it.
    pub(crate) registry: RegistryId,
    /// For this binding.
    pub(crate) binding: BindingId,
}

/// Where content goes: a target, and which namespaces it may use of those that it selects by label.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) target: &'a Target,
    pub(crate) allowed: &'a AllowedNamespaces,
}

/// What a look at the places of a target is to be compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// Of what should be there.
    pub(crate) digest: &'a Digest,
    /// Which of the namespaces that are selected by label have had content.
    pub(crate) reached: &'a BTreeSet<Namespace>,
    /// Whether not all places are known to have had this content.
    pub(crate) unfinished: bool,
}

impl<'a> Expected<'a> {
    /// In the place that is all of its target.
    pub(crate) fn whole(digest: &'a Digest) -> Self {
        static NONE: BTreeSet<Namespace> = BTreeSet::new();
        Self { digest, reached: &NONE, unfinished: false }
    }
}

/// What was delivered: the version of the content that a mark stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The change it comes from.
    pub(crate) revision: Revision,
    /// Of the content.
    pub(crate) digest: Digest,
}

/// How many places a target has, and in how many of them the content is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Targets {
    /// Where it is.
    pub(crate) applied: u32,
    /// Where it should be.
    pub(crate) total: u32,
}

/// The sinks of this agent.
#[derive(Debug)]
pub(crate) struct Sinks {
    /// A directory below a root for each target.
    pub(crate) directory: Option<Arc<Directory>>,
    /// Kubernetes Secrets.
    pub(crate) secrets: Option<Secrets>,
    /// What pods may mount.
    pub(crate) csi: Option<Arc<Csi>>,
    /// Bindings whose targets a sink saw changing.
    pub(crate) touched: Arc<Touched>,
}

impl Sinks {
    /// Their names.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let directory = self.directory.iter().map(|_| "directory");
        let mounted = self.csi.iter().map(|_| "csi");
        directory.chain(self.secrets.iter().map(|_| "secret")).chain(mounted).collect()
    }

    /// Writes content whole, over whatever `owner` had there. What is another's is refused. Answers in how many places, and what is there
    /// now, if that is known without a look.
    pub(crate) async fn apply(
        &self,
        put: &Arc<Put>,
        owner: Owner,
        stamp: &Stamp,
        keys: &Keys,
    ) -> Result<(Targets, Option<Digests>), SinkError> {
        let Put { allowed, registered, content, .. } = &**put;
        let targets = match &put.target {
            Target::Directory { name } => {
                let (sink, name, stamp, content, keys) =
                    (self.directory()?, name.clone(), stamp.clone(), content.clone(), keys.clone());
                blocking(move || sink.apply(&name, owner, &stamp, &content, &keys)).await?;
                self.unmount(put.binding);
                return Ok((Targets { applied: 1, total: 1 }, None));
            }
            Target::Secret(target) => {
                let destination = Destination { target, allowed };
                // The API server answers only when it has it.
                let targets = self.secrets()?.apply(destination, owner, *registered, stamp, content, keys).await?;
                self.unmount(put.binding);
                targets
            }
            Target::Csi(target) => {
                let (sink, put, target, stamp, keys) = (self.csi()?, put.clone(), target.clone(), stamp.clone(), keys.clone());
                blocking(move || sink.apply(&put, target, stamp, &keys)).await?;
                Targets { applied: 1, total: 1 }
            }
        };
        Ok((targets, Some(keys.digests(content))))
    }

    /// Where content of a target goes, from now on: sinks that can see changes begin to watch there.
    pub(crate) async fn locate(&self, place: Place<'_>, binding: BindingId, digest: &Digest) -> Result<(), SinkError> {
        match place.destination() {
            Some(destination) => self.secrets()?.settle(destination, binding, digest).await,
            None => Ok(()),
        }
    }

    /// The namespaces that the target selects by label, as it was located last.
    pub(crate) fn selected(&self, place: Place<'_>, binding: BindingId) -> BTreeSet<Namespace> {
        self.of_selector(place, |secrets| secrets.located(binding))
    }

    /// Where content of a target that selects namespaces was found.
    pub(crate) fn found(&self, place: Place<'_>, binding: BindingId) -> BTreeSet<Namespace> {
        self.of_selector(place, |secrets| secrets.found(binding))
    }

    /// Whether a namespace of `reached` is there still, and the target does not select it any more.
    pub(crate) fn lost(&self, place: Place<'_>, binding: BindingId, reached: &BTreeSet<Namespace>) -> bool {
        let selected = self.selected(place, binding);
        let is_there = |namespace: &Namespace| self.secrets.as_ref().is_some_and(|secrets| !secrets.is_gone(namespace));
        reached.iter().any(|namespace| !selected.contains(namespace) && is_there(namespace))
    }

    /// Whether content of `binding` was found anywhere.
    pub(crate) fn is_anywhere(&self, binding: BindingId) -> bool {
        self.secrets.as_ref().is_none_or(|secrets| !secrets.found(binding).is_empty())
    }

    /// Whether content of this stamp is in any place of `binding`, or may be because no answer came.
    pub(crate) fn may_have(&self, binding: BindingId, stamp: &Stamp) -> bool {
        self.secrets.as_ref().is_some_and(|secrets| secrets.may_have(binding, stamp))
    }

    /// Looks what is there.
    pub(crate) async fn observe(
        &self,
        place: Place<'_>,
        owner: Owner,
        expected: Expected<'_>,
        keys: &Keys,
    ) -> Result<Observed, SinkError> {
        match place.target {
            Target::Directory { name } => {
                let (sink, name, keys) = (self.directory()?, name.clone(), keys.clone());
                blocking(move || sink.observe(&name, owner, &keys)).await
            }
            Target::Csi(_) => Ok(self.csi()?.observe(owner.binding, keys)),
            Target::Secret(target) => {
                self.secrets()?.observe(Destination { target, allowed: place.allowed }, owner, expected, keys).await
            }
        }
    }

    /// Removes what `owner` has there, but for the places that `except` has too. What is another's is refused; what is gone
    /// already is fine. `digest`: of what should be there.
    pub(crate) async fn remove(
        &self,
        place: Place<'_>,
        owner: Owner,
        digest: &Digest,
        keys: &Keys,
        except: Option<Place<'_>>,
    ) -> Result<(), SinkError> {
        match place.target {
            Target::Csi(_) if except.is_some_and(|except| matches!(except.target, Target::Csi(_))) => Ok(()),
            // The only place is here, and an agent without it has none.
            Target::Csi(_) => {
                self.unmount(owner.binding);
                Ok(())
            }
            target @ Target::Directory { .. } if except.is_some_and(|except| except.target == target) => Ok(()),
            Target::Directory { name } => {
                let (sink, name, keys) = (self.directory()?, name.clone(), keys.clone());
                blocking(move || sink.remove(&name, owner, &keys)).await
            }
            Target::Secret(target) => {
                let except = except.and_then(Place::destination);
                self.secrets()?.remove(Destination { target, allowed: place.allowed }, owner, digest, keys, except).await
            }
        }
    }

    /// Compares content with what is there, whoever's it is, and writes nothing. Says also which versions it saw.
    pub(crate) async fn compare(
        &self,
        place: Place<'_>,
        binding: BindingId,
        digest: &Digest,
        content: &Rendered,
    ) -> Result<(Comparison, Versions), SinkError> {
        match place.destination() {
            Some(destination) => self.secrets()?.compare(destination, binding, digest, content).await,
            None => Err(ONLY_SECRETS),
        }
    }

    /// Whether these are still the versions, as far as is known.
    pub(crate) async fn is_compared(
        &self,
        place: Place<'_>,
        binding: BindingId,
        digest: &Digest,
        versions: &Versions,
    ) -> Result<bool, SinkError> {
        match place.destination() {
            Some(destination) => self.secrets()?.is_compared(destination, binding, digest, versions).await,
            None => Ok(true),
        }
    }

    /// Nobody looks after what `binding` has any more.
    pub(crate) fn leave(&self, binding: BindingId) {
        self.unmount(binding);
        if let Some(secrets) = &self.secrets {
            secrets.leave(binding);
        }
    }

    /// Tells people, where they look, that nothing more comes for `binding`, and why.
    pub(crate) async fn tell_held(&self, binding: BindingId, why: &str) {
        if let Some(secrets) = &self.secrets {
            secrets.tell_held(binding, why).await;
        }
    }

    /// Where the content of `binding` replaced other content, and when last.
    pub(crate) fn changes(&self, binding: BindingId) -> Vec<(Namespace, Changed)> {
        self.secrets.as_ref().map(|secrets| secrets.changes(binding)).unwrap_or_default()
    }

    /// Where content of `binding` was found changed and by whom, if a sink can tell.
    pub(crate) fn changed_by(&self, binding: BindingId) -> Option<(String, String)> {
        self.secrets.as_ref()?.changed_by(binding)
    }

    /// Those of some namespaces that a target does not name; none where it selects none.
    fn of_selector(&self, place: Place<'_>, namespaces: impl FnOnce(&Secrets) -> BTreeSet<Namespace>) -> BTreeSet<Namespace> {
        match (place.target, &self.secrets) {
            (Target::Secret(target), Some(secrets)) if target.namespace_selector.is_some() => {
                let mut namespaces = namespaces(secrets);
                namespaces.retain(|namespace| !target.namespaces.contains(namespace));
                namespaces
            }
            _ => BTreeSet::new(),
        }
    }

    /// No pod mounts it any more. What is in volumes stays there.
    fn unmount(&self, binding: BindingId) {
        if let Some(csi) = &self.csi {
            csi.remove(binding);
        }
    }

    fn csi(&self) -> Result<Arc<Csi>, SinkError> {
        self.csi.clone().ok_or(NO_NODES)
    }

    fn directory(&self) -> Result<Arc<Directory>, SinkError> {
        self.directory.clone().ok_or(NO_DIRECTORIES)
    }

    fn secrets(&self) -> Result<&Secrets, SinkError> {
        self.secrets.as_ref().ok_or(NO_SECRETS)
    }
}

impl<'a> Place<'a> {
    fn destination(self) -> Option<Destination<'a>> {
        match self.target {
            Target::Secret(target) => Some(Destination { target, allowed: self.allowed }),
            Target::Directory { .. } | Target::Csi(_) => None,
        }
    }
}
