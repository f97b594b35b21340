//! The places that a target has: Secrets by name and namespace, a directory, or the namespaces whose pods may mount it.

use std::collections::BTreeSet;

use crate::binding::{SecretTarget, Target};
use crate::name::Namespace;

/// One place. A Secret that is immutable has a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place<'a> {
    /// Empty: none, pods mount it.
    name: &'a str,
    is_immutable: bool,
    /// `None`: a directory.
    pub(super) namespace: Option<&'a Namespace>,
}

/// The places of a target.
pub(super) struct Places<'a> {
    named: BTreeSet<Place<'a>>,
    /// What they are, if they are Secrets.
    object: Option<&'a SecretTarget>,
}

impl<'a> Places<'a> {
    pub(super) fn of(target: &'a Target) -> Self {
        match target {
            Target::Directory { name } => {
                let place = Place { name: name.as_str(), is_immutable: false, namespace: None };
                Self { named: BTreeSet::from([place]), object: None }
            }
            Target::Secret(target) => {
                let place =
                    |namespace| Place { name: target.name.as_str(), is_immutable: target.immutable, namespace: Some(namespace) };
                Self { named: target.namespaces.iter().map(place).collect(), object: Some(target) }
            }
            Target::Csi(target) => {
                let place = |namespace| Place { name: "", is_immutable: false, namespace: Some(namespace) };
                Self { named: target.namespaces.iter().map(place).collect(), object: None }
            }
        }
    }

    /// Those that the binding names.
    pub(super) fn named(&self) -> &BTreeSet<Place<'a>> {
        &self.named
    }

    /// How many those are.
    pub(super) fn count(&self) -> u64 {
        self.named.len() as u64
    }

    /// Whether there are others, in namespaces that a label selects.
    pub(super) fn selects(&self) -> bool {
        self.object.is_some_and(|target| target.namespace_selector.is_some())
    }

    /// Whether both are Secrets of one name.
    pub(super) fn is_same_object(&self, other: &Self) -> bool {
        match (self.object, other.object) {
            (Some(one), Some(other)) => (&one.name, one.immutable) == (&other.name, other.immutable),
            _ => false,
        }
    }

    /// Whether those are the same ones.
    pub(super) fn selects_as(&self, other: &Self) -> bool {
        let selector = |places: &Self| places.object.and_then(|target| target.namespace_selector.clone());
        self.is_same_object(other) && selector(self).is_some() && selector(self) == selector(other)
    }
}
