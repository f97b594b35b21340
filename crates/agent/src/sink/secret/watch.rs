//! Watches on metadata. They begin and end with the targets that need them.

mod follow;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use lockstep_core::id::BindingId;
use lockstep_core::name::Namespace;
use tokio::task::JoinHandle;

use super::Shared;
use super::location::Location;

/// The most watches at once. What has none is looked at every so often, with a request each time.
const WATCHES_MAX: usize = 512;

/// What one watch is on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Scope {
    /// All Secrets of a namespace that carry our label.
    Namespace(Namespace),
    /// One Secret, by name.
    Object(Location),
    /// The namespaces themselves.
    Namespaces,
}

/// The watches that are on.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<Running>);

#[derive(Debug, Default)]
struct Running {
    wanted: HashMap<BindingId, Vec<Scope>>,
    tasks: HashMap<Scope, Task>,
    /// Whether it was said that there are too many.
    complained: bool,
}

/// A task that ends with this.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Scope {
    /// Whether it tells of that Secret.
    pub(super) fn covers(&self, location: &Location) -> bool {
        match self {
            Self::Namespace(namespace) => *namespace == location.namespace,
            Self::Object(object) => object == location,
            Self::Namespaces => false,
        }
    }
}

impl Watches {
    /// From now on `binding` needs these, and no others.
    pub(super) fn want(&self, shared: &Arc<Shared>, binding: BindingId, scopes: BTreeSet<Scope>) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if scopes.is_empty() {
            running.wanted.remove(&binding)
        } else {
            running.wanted.insert(binding, scopes.iter().cloned().collect())
        };
        let dropped: BTreeSet<Scope> = before.into_iter().flatten().filter(|scope| !scopes.contains(scope)).collect();
        if !dropped.is_empty() {
            let wanted: HashSet<Scope> = running.wanted.values().flatten().cloned().collect();
            for scope in dropped.iter().filter(|scope| !wanted.contains(scope)) {
                running.tasks.remove(scope);
                shared.memory.set_synced(scope, false);
                if *scope == Scope::Namespaces {
                    shared.namespaces.leave();
                }
            }
        }
        running.start(shared, scopes);
    }

    /// `binding` needs this one too.
    pub(super) fn want_also(&self, shared: &Arc<Shared>, binding: BindingId, scope: Scope) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = running.wanted.entry(binding).or_default();
        if !wanted.contains(&scope) {
            wanted.push(scope.clone());
        }
        running.start(shared, [scope].into());
    }
}

impl Running {
    fn start(&mut self, shared: &Arc<Shared>, scopes: BTreeSet<Scope>) {
        for scope in scopes {
            if self.tasks.contains_key(&scope) {
                continue;
            }
            if self.tasks.len() >= WATCHES_MAX {
                if !std::mem::replace(&mut self.complained, true) {
                    tracing::warn!(limit = WATCHES_MAX, "too many Secrets to watch: the rest is looked at every so often");
                }
                return;
            }
            let task = tokio::spawn(follow::run(shared.clone(), scope.clone()));
            self.tasks.insert(scope, Task(task));
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
