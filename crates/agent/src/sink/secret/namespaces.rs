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
use tokio::time::{Instant, timeout};

use crate::sink::SinkError;

/// How long the first list may take, for all that wait for it together.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// What a watch that failed is told of, where no answer came.
pub(super) const NO_ANSWER: u16 = 0;

/// What a watch told of namespaces.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    inner: Mutex<Inner>,
    /// Tells who waits for the first list that it is there, or that it fails.
    told: Notify,
}

/// Namespaces with their labels; `None`: labels that no selector can be compared with.
type Labelled = BTreeMap<Namespace, Option<Labels>>;

#[derive(Debug, Default)]
struct Inner {
    /// The last list that was whole, and what came since. It outlives a watch that fails: what was there a moment ago is a better
    /// answer than none.
    known: Labelled,
    /// A list that is not whole yet.
    coming: Labelled,
    is_listed: bool,
    /// What the API server answered to the last try, if that failed.
    failed: Option<u16>,
    /// Since when the first list is waited for.
    awaited: Option<Instant>,
    selecting: HashMap<BindingId, (Selector, AllowedNamespaces)>,
}

impl Namespaces {
    /// `binding` is told of namespaces that are selected only later, or no longer.
    pub(super) fn tell(&self, binding: BindingId, selector: &Selector, allowed: &AllowedNamespaces) {
        self.lock().selecting.insert(binding, (selector.clone(), allowed.clone()));
    }

    /// Which namespaces are selected, among those that are allowed. Waits for the first list, but for none that is known to fail.
    pub(super) async fn selected(
        &self,
        selector: &Selector,
        allowed: &AllowedNamespaces,
    ) -> Result<BTreeSet<Namespace>, SinkError> {
        self.listed_once().await?;
        let inner = self.lock();
        let selected = inner.known.iter().filter(|(name, labels)| selects((selector, allowed), name, labels.as_ref()));
        Ok(selected.map(|(name, _)| name.clone()).collect())
    }

    async fn listed_once(&self) -> Result<(), SinkError> {
        loop {
            let told = self.told.notified();
            let left = {
                let mut inner = self.lock();
                if inner.is_listed {
                    return Ok(());
                }
                if let Some(code) = inner.failed {
                    return Err(not_listed(code));
                }
                let awaited = *inner.awaited.get_or_insert_with(Instant::now);
                LIST_TIMEOUT.saturating_sub(awaited.elapsed())
            };
            if left.is_zero() || timeout(left, told).await.is_err() {
                return Err(not_listed(NO_ANSWER));
            }
        }
    }

    /// Whether a namespace is known not to be there.
    pub(super) fn is_gone(&self, namespace: &Namespace) -> bool {
        let inner = self.lock();
        inner.is_listed && !inner.known.contains_key(namespace)
    }

    /// `binding` selects none any more.
    pub(super) fn forget(&self, binding: BindingId) {
        self.lock().selecting.remove(&binding);
    }

    /// Nobody watches any more, so nothing is known.
    pub(super) fn leave(&self) {
        let mut inner = self.lock();
        *inner = Inner { selecting: std::mem::take(&mut inner.selecting), ..Inner::default() };
    }

    /// A list begins.
    pub(super) fn begin(&self) {
        self.lock().coming.clear();
    }

    /// A namespace of the list that comes; labels (`None`) where it goes away.
    pub(super) fn comes(&self, name: &str, labels: Option<BTreeMap<String, String>>) {
        if let (Ok(namespace), Some(labels)) = (name.parse(), labels) {
            self.lock().coming.insert(namespace, Labels::try_from(labels).ok());
        }
    }

    /// The list is whole. Answers who selects namespaces: nobody knows what came while there was no watch.
    pub(super) fn listed(&self) -> Vec<BindingId> {
        let mut inner = self.lock();
        inner.known = std::mem::take(&mut inner.coming);
        (inner.is_listed, inner.failed) = (true, None);
        self.told.notify_waiters();
        inner.selecting.keys().copied().collect()
    }

    /// The watch failed, with this answer; it is begun again.
    pub(super) fn failed(&self, code: u16) {
        self.lock().failed = Some(code);
        self.told.notify_waiters();
    }

    /// A namespace's labels, or (`None`) that it goes away. Answers who selects it only now, or no longer. With a namespace goes what
    /// was in it, so of that nobody needs to be told.
    pub(super) fn told(&self, name: &str, labels: Option<BTreeMap<String, String>>) -> Vec<BindingId> {
        let Ok(namespace) = name.parse::<Namespace>() else { return Vec::new() };
        let mut inner = self.lock();
        let Some(labels) = labels else {
            inner.known.remove(&namespace);
            return Vec::new();
        };
        let labels = Labels::try_from(labels).ok();
        let before = inner.known.insert(namespace.clone(), labels.clone()).flatten();
        let differs = |(selector, allowed): &(Selector, AllowedNamespaces)| {
            let selects = |labels: Option<&Labels>| selects((selector, allowed), &namespace, labels);
            selects(before.as_ref()) != selects(labels.as_ref())
        };
        inner.selecting.iter().filter(|(_, selecting)| differs(selecting)).map(|(binding, _)| *binding).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn selects((selector, allowed): (&Selector, &AllowedNamespaces), name: &Namespace, labels: Option<&Labels>) -> bool {
    labels.is_some_and(|labels| selector.matches(labels)) && allowed.allows(name)
}

fn not_listed(code: u16) -> SinkError {
    let advice = match code {
        403 => {
            "the agent's service account needs a ClusterRole with the rule apiGroups: [\"\"], resources: [\"namespaces\"], verbs: [\"list\", \"watch\"]".to_owned()
        }
        NO_ANSWER => "the API server does not answer; it is tried again".to_owned(),
        code => format!("the API server answers {code}; it is tried again"),
    };
    SinkError::Kubernetes(format!(
        "the cluster's namespaces cannot be listed, so nobody knows which ones spec.target.secret.namespaceSelector selects: {advice}"
    ))
}
