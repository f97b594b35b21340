//! Content in a target, and every place where some of it may be.

use std::collections::BTreeSet;

use lockstep_core::binding::{CsiSource, Restart, Target};
use lockstep_core::digest::Digest;
use lockstep_core::name::Namespace;
use lockstep_core::namespaces::AllowedNamespaces;
use lockstep_core::revision::Revision;
use serde::{Deserialize, Serialize};

use crate::sink::{Expected, Place};

/// The most namespaces that are written down of those that one binding selects by label. Of the rest only those are known that are
/// selected at the time.
pub(crate) const REACHED_MAX: usize = 1000;

/// Content in a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// The binding's name, for people.
    pub(crate) name: String,
    /// What was applied, or was begun to be.
    pub(crate) revision: Revision,
    /// Of that.
    pub(crate) digest: Digest,
    /// Where to.
    pub(crate) target: Target,
    /// By which names pods ask for it, where they mount it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sources: Vec<CsiSource>,
    /// Of the namespaces that the target selects by label.
    #[serde(default, skip_serializing_if = "AllowedNamespaces::is_none")]
    pub(crate) allowed: AllowedNamespaces,
    /// Where content may be of the namespaces that the target selects by label; written down before it comes there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) reached: BTreeSet<Namespace>,
    /// Whether it was begun only: it failed in some place or was interrupted, and other places have it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unfinished: bool,
    /// What restarts when the content changes.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) restart: Restart,
    /// Where it was before. Given up once the content is where it belongs; a crash, or a failure, may come between.
    pub(crate) former: Vec<Target>,
    /// Whether what is there is deleted then. Otherwise it is kept and forgotten, and what an agent left that did not know of
    /// policies is kept too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) purge_former: bool,
}

fn is_none(restart: &Restart) -> bool {
    *restart == Restart::None
}

impl Held {
    /// Where it is.
    pub(crate) fn place(&self) -> Place<'_> {
        self.place_of(&self.target)
    }

    /// Another target of the same binding.
    pub(crate) fn place_of<'a>(&'a self, target: &'a Target) -> Place<'a> {
        Place { target, allowed: &self.allowed }
    }

    /// What a look at its places is to be compared with.
    pub(crate) fn expected(&self) -> Expected<'_> {
        Expected { digest: &self.digest, reached: &self.reached, unfinished: self.unfinished }
    }

    /// Its target with all namespaces where content may be, also those that it does not select any more.
    pub(crate) fn everywhere(&self) -> Target {
        let mut target = self.target.clone();
        if let Target::Secret(secret) = &mut target {
            let more: Vec<Namespace> = self.reached.iter().filter(|n| !secret.namespaces.contains(n)).cloned().collect();
            secret.namespaces.extend(more);
        }
        target
    }

    /// Whether the other one is the same but for revision and digest.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        let Self { name, revision: _, digest: _, target, sources, allowed, reached, unfinished, restart, former, purge_former } =
            self;
        (name, target, sources, allowed, reached, unfinished, restart, former, purge_former)
            == (
                &other.name,
                &other.target,
                &other.sources,
                &other.allowed,
                &other.reached,
                &other.unfinished,
                &other.restart,
                &other.former,
                &other.purge_former,
            )
    }
}
