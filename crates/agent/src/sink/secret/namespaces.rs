//! The cluster's namespaces and their labels, for targets that select namespaces.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockstep_core::id::BindingId;
use lockstep_core::label::Labels;
use lockstep_core::name::Namespace;
use lockstep_core::namespaces::AllowedNamespaces;
use lockstep_core::selector::Selector;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::sink::SinkError;

/// How long the first list may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// What a watch told of namespaces.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    inner: Mutex<Inner>,
    /// Tells who waits for the first list.
    listed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    labels: BTreeMap<Namespace, Labels>,
    is_listed: bool,
    selecting: HashMap<BindingId, (Selector, AllowedNamespaces)>,
}

impl Namespaces {
    /// `binding` is told of namespaces that are selected only later.
    pub(super) fn tell(&self, binding: BindingId, selector: &Selector, allowed: &AllowedNamespaces) {
        self.lock().selecting.insert(binding, (selector.clone(), allowed.clone()));
    }

    /// Which namespaces are selected, among those that are allowed.
    pub(super) async fn selected(
        &self,
        selector: &Selector,
        allowed: &AllowedNamespaces,
    ) -> Result<BTreeSet<Namespace>, SinkError> {
        let listed = async {
            loop {
                let notified = self.listed.notified();
                if self.lock().is_listed {
                    return;
                }
                notified.await;
            }
        };
        if timeout(LIST_TIMEOUT, listed).await.is_err() {
            return Err(SinkError::Kubernetes(
                "the cluster's namespaces cannot be listed, so nobody knows which ones spec.target.secret.namespaceSelector selects: the agent's service account needs a ClusterRole with the rule apiGroups: [\"\"], resources: [\"namespaces\"], verbs: [\"list\", \"watch\"]".to_owned(),
            ));
        }
        let inner = self.lock();
        let selected = inner.labels.iter().filter(|(name, labels)| selector.matches(labels) && allowed.allows(name));
        Ok(selected.map(|(name, _)| name.clone()).collect())
    }

    /// `binding` selects none any more.
    pub(super) fn forget(&self, binding: BindingId) {
        self.lock().selecting.remove(&binding);
    }

    /// A list begins: nothing is known any more.
    pub(super) fn begin(&self) {
        let mut inner = self.lock();
        inner.labels.clear();
        inner.is_listed = false;
    }

    /// The list is whole. Answers who selects namespaces: nobody knows what came while there was no watch.
    pub(super) fn listed(&self) -> Vec<BindingId> {
        let mut inner = self.lock();
        inner.is_listed = true;
        self.listed.notify_waiters();
        inner.selecting.keys().copied().collect()
    }

    /// A namespace's labels, or (`None`) that it goes away. Answers who selects it only now.
    pub(super) fn told(&self, name: &str, labels: Option<BTreeMap<String, String>>) -> Vec<BindingId> {
        let Ok(namespace) = name.parse::<Namespace>() else { return Vec::new() };
        let mut inner = self.lock();
        let Some(labels) = labels.and_then(|labels| Labels::try_from(labels).ok()) else {
            inner.labels.remove(&namespace);
            return Vec::new();
        };
        let before = inner.labels.insert(namespace.clone(), labels.clone());
        if !inner.is_listed {
            return Vec::new();
        }
        let selects = |(selector, allowed): &(Selector, AllowedNamespaces)| {
            selector.matches(&labels)
                && allowed.allows(&namespace)
                && !before.as_ref().is_some_and(|before| selector.matches(before))
        };
        inner.selecting.iter().filter(|(_, selecting)| selects(selecting)).map(|(binding, _)| *binding).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
