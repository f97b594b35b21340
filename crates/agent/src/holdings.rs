//! What this cluster holds: ledger, digest keys and sinks together, and the rules by which content comes and goes.
//!
//! Work on one binding goes one after the other, work on different bindings side by side. Ledger and keys are locked for as long
//! as a file takes, never while a sink writes.

mod books;
mod caching;
mod check;
mod former;
mod give_up;
mod inventory;
mod put;
mod restarting;
mod restore;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use lockstep_core::digest::{ClusterKey, Digest};
use lockstep_core::id::{BindingId, RegistryId};
use lockstep_core::material::Material;
use lockstep_core::render::Rendered;
use lockstep_core::revision::Revision;
use thiserror::Error;

use crate::blocking::blocking;
use crate::cache::Cache;
use crate::delivery::{Refusal, RefusalKind};
use crate::restart::Restarts;
use crate::sink::{Observed, SinkError, Sinks};
use crate::state::StateError;
use crate::state::keyring::{KeyRing, Keys};
use crate::state::ledger::{Held, Holding, Ledger};
use crate::turns::Turns;
use books::Books;

pub(crate) use check::Checked;
pub(crate) use inventory::Inventory;
pub(crate) use restore::NotRestored;

/// What this cluster holds.
#[derive(Debug)]
pub(crate) struct Holdings {
    books: Arc<Mutex<Books>>,
    /// Whether writing the books down takes as long as a disk does.
    is_on_disk: bool,
    sinks: Sinks,
    /// What restarts workloads, where there are any.
    restarts: Option<Restarts>,
    /// What is cached, where anything is.
    cache: Option<Arc<Cache>>,
    turns: Turns,
}

/// Why the agent does not work with a server that greeted it.
#[derive(Debug, Error)]
pub(crate) enum WelcomeError {
    /// It is another registry's.
    #[error(
        "the server belongs to registry {theirs}, this agent to {ours}: everything is kept and nothing is taken from it; correct --server, or join anew with an empty --state-dir"
    )]
    Registry {
        /// The agent's.
        ours: RegistryId,
        /// The server's.
        theirs: RegistryId,
    },
    /// What it said cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Holdings {
    /// From what was loaded and opened.
    pub(crate) fn new(ledger: Ledger, ring: KeyRing, sinks: Sinks, restarts: Option<Restarts>) -> Self {
        let is_on_disk = ledger.is_on_disk();
        Self {
            books: Arc::new(Mutex::new(Books { ledger, ring })),
            is_on_disk,
            sinks,
            restarts,
            cache: None,
            turns: Turns::default(),
        }
    }

    /// The sinks' names, as `Hello` tells them.
    pub(crate) fn sink_names(&self) -> Vec<String> {
        self.sinks.names().into_iter().map(str::to_owned).collect()
    }

    /// Takes what a greeting says of registry and digest key.
    pub(crate) async fn welcome(&self, registry: RegistryId, key: ClusterKey) -> Result<(), WelcomeError> {
        self.books_blocking(move |books| books.welcome(registry, &key)).await
    }

    /// How many bindings have content.
    pub(crate) async fn held_count(&self) -> usize {
        self.books(|books| books.ledger.held_count()).await
    }

    /// The bindings that have content, or observe some.
    pub(crate) async fn held_bindings(&self) -> Vec<BindingId> {
        self.books(|books| books.held_bindings()).await
    }

    /// The newest change that was applied for `binding`, if it has content.
    pub(crate) async fn held_revision(&self, binding: BindingId) -> Option<Revision> {
        self.books(move |books| match books.ledger.get(binding) {
            Some(Holding::Held(held)) => Some(held.revision),
            _ => None,
        })
        .await
    }

    /// Tells people in the cluster that nothing more comes until a person decides, and why.
    pub(crate) async fn tell_held(&self, why: &str) {
        for binding in self.held_bindings().await {
            self.sinks.tell_held(binding, why).await;
        }
    }

    /// Waits until a sink saw targets changing, and says whose.
    pub(crate) async fn touched(&self) -> BTreeSet<BindingId> {
        self.sinks.touched.next().await
    }

    /// What is at the places of a binding that is held.
    async fn observe(&self, binding: BindingId, held: &Held) -> Result<Observed, SinkError> {
        let (owner, keys) = self.books(move |books| (books.owner(binding), books.ring.keys())).await;
        match owner {
            None => Ok(Observed::Absent),
            Some(owner) => self.sinks.observe(held.place(), owner, held.expected(), &keys).await,
        }
    }

    async fn keys(&self) -> Keys {
        self.books(|books| books.ring.keys()).await
    }

    /// Works on ledger and keys, which may block on the disk. Where the state is a Secret, which is written behind, nothing but
    /// [`Books::welcome`] blocks, and a thread for each binding would only take memory.
    async fn books<T: Send + 'static>(&self, work: impl FnOnce(&mut Books) -> T + Send + 'static) -> T {
        if self.is_on_disk {
            self.books_blocking(work).await
        } else {
            work(&mut self.books.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    async fn books_blocking<T: Send + 'static>(&self, work: impl FnOnce(&mut Books) -> T + Send + 'static) -> T {
        let books = self.books.clone();
        // What a panic interrupted is whole on disk, and memory follows the disk.
        blocking(move || work(&mut books.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

/// The digest of what is there, under the present key; `known` tells the key to use should there be no present one.
fn digest_of(keys: &Keys, observed: &Observed, known: &Digest) -> Digest {
    let Some(key) = keys.current().or_else(|| keys.get(&known.key)) else { return known.clone() };
    match observed {
        Observed::Content(digests, _) => digests.under(&key.id).unwrap_or(known).clone(),
        // There is no place where anything could be missing.
        Observed::Nowhere => known.clone(),
        Observed::Incomplete
        | Observed::Refused
        | Observed::Absent
        | Observed::Foreign
        | Observed::Altered
        | Observed::Mixed(_) => key.digest(&nothing()),
    }
}

/// Content that no binding can have, for the digest of a target that holds nothing or something strange: an empty content is a
/// possible one, so its digest could equal the one that is wanted.
fn nothing() -> Rendered {
    Rendered::of([("..".to_owned(), Material::new(Vec::new()))]).unwrap_or_default()
}

impl From<SinkError> for Refusal {
    fn from(error: SinkError) -> Self {
        let kind = match error {
            SinkError::Conflict(_) => RefusalKind::Conflict,
            SinkError::Newer { .. } => RefusalKind::Older,
            SinkError::Kubernetes(_)
            | SinkError::NotLeader(_)
            | SinkError::NoSuchSink(_)
            | SinkError::UnknownKey(_)
            | SinkError::Io { .. } => RefusalKind::Failed,
        };
        Self { kind, cause: error.to_string() }
    }
}

impl From<StateError> for Refusal {
    fn from(error: StateError) -> Self {
        Self::failed(error)
    }
}

#[cfg(test)]
mod tests;
