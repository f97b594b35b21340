//! Watches on Secrets' metadata. They begin and end with the targets that need them, and tell [`Memory`](super::memory::Memory).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::{Namespace as NamespaceObject, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Config, Event};
use kube::{Api, ResourceExt as _};
use lockstep_core::id::BindingId;
use lockstep_core::name::Namespace;
use rand::Rng as _;
use tokio::task::JoinHandle;

use super::Shared;
use super::field::MANAGED_LABEL;
use super::location::Location;

/// The most watches at once. What has none is looked at every so often, with a request each time.
const WATCHES_MAX: usize = 512;
/// How many objects one page of a list has: what is kept of an object is small, what comes is not.
const PAGE: u32 = 100;
/// The pause before a watch that failed begins anew, doubled up to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LONGEST: Duration = Duration::from_secs(60);

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
    wanted: HashMap<BindingId, BTreeSet<Scope>>,
    tasks: HashMap<Scope, Task>,
    /// Whether it was said that there are too many.
    complained: bool,
}

/// A task that ends with this.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Scope {
    /// The watches that would tell of this Secret, while it carries our label.
    pub(super) fn covering(location: &Location) -> [Self; 2] {
        [Self::Namespace(location.namespace.clone()), Self::Object(location.clone())]
    }

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
        let before =
            if scopes.is_empty() { running.wanted.remove(&binding) } else { running.wanted.insert(binding, scopes.clone()) };
        let dropped: BTreeSet<Scope> = before.into_iter().flatten().filter(|scope| !scopes.contains(scope)).collect();
        if !dropped.is_empty() {
            let wanted: HashSet<Scope> = running.wanted.values().flatten().cloned().collect();
            for scope in dropped.iter().filter(|scope| !wanted.contains(scope)) {
                running.tasks.remove(scope);
                shared.memory.set_synced(scope, false);
            }
        }
        running.start(shared, scopes);
    }

    /// `binding` needs this one too.
    pub(super) fn want_also(&self, shared: &Arc<Shared>, binding: BindingId, scope: Scope) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.wanted.entry(binding).or_default().insert(scope.clone());
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
            let task = tokio::spawn(run(shared.clone(), scope.clone()));
            self.tasks.insert(scope, Task(task));
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Watches for as long as it is wanted. An error begins it anew, so that what was missed is found by the list.
async fn run(shared: Arc<Shared>, scope: Scope) {
    let mut pause = PAUSE_FIRST;
    loop {
        let result = match &scope {
            Scope::Namespaces => {
                let api = Api::<PartialObjectMeta<NamespaceObject>>::all(shared.api.client().clone());
                follow_namespaces(&shared, watcher::watcher(api, Config::default().page_size(PAGE))).await
            }
            Scope::Namespace(namespace) => {
                let config = Config::default().labels(&format!("{MANAGED_LABEL}=true"));
                follow(&shared, &scope, secrets(&shared, namespace, config), &mut pause).await
            }
            Scope::Object(Location { namespace, name }) => {
                let config = Config::default().fields(&format!("metadata.name={name}"));
                follow(&shared, &scope, secrets(&shared, namespace, config), &mut pause).await
            }
        };
        shared.memory.set_synced(&scope, false);
        if scope == Scope::Namespaces {
            shared.namespaces.begin();
        }
        if let Err(error) = result {
            complain(&shared, &scope, &error, pause);
        }
        let jittered = pause.mul_f64(rand::rng().random_range(0.5..1.0));
        tokio::time::sleep(jittered).await;
        pause = (pause * 2).min(PAUSE_LONGEST);
    }
}

fn secrets(
    shared: &Shared,
    namespace: &Namespace,
    config: Config,
) -> impl Stream<Item = watcher::Result<Event<PartialObjectMeta<Secret>>>> + use<> {
    let api = Api::<PartialObjectMeta<Secret>>::namespaced(shared.api.client().clone(), namespace.as_str());
    watcher::watcher(api, config.page_size(PAGE))
}

type Metadata<K> = watcher::Result<Event<PartialObjectMeta<K>>>;

async fn follow(
    shared: &Shared,
    scope: &Scope,
    events: impl Stream<Item = Metadata<Secret>>,
    pause: &mut Duration,
) -> watcher::Result<()> {
    let mut events = std::pin::pin!(events);
    let mut listed = HashSet::new();
    while let Some(event) = events.next().await {
        match event? {
            Event::Init => listed.clear(),
            Event::InitApply(object) => {
                if let Some(location) = tell(shared, &object, true) {
                    listed.insert(location);
                }
            }
            Event::InitDone => {
                for location in shared.memory.below(scope) {
                    if !listed.contains(&location) {
                        shared.touched.add(shared.memory.not_listed(&location));
                    }
                }
                listed = HashSet::new();
                shared.memory.set_synced(scope, true);
                *pause = PAUSE_FIRST;
            }
            Event::Apply(object) => drop(tell(shared, &object, true)),
            Event::Delete(object) => drop(tell(shared, &object, false)),
        }
    }
    Ok(())
}

fn tell(shared: &Shared, object: &PartialObjectMeta<Secret>, is_there: bool) -> Option<Location> {
    let namespace = object.metadata.namespace.as_deref()?.parse().ok()?;
    let location = Location { namespace, name: object.metadata.name.clone()? };
    let version = object.metadata.resource_version.as_deref()?;
    shared.touched.add(shared.memory.told(&location, version, is_there));
    Some(location)
}

async fn follow_namespaces(shared: &Shared, events: impl Stream<Item = Metadata<NamespaceObject>>) -> watcher::Result<()> {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event? {
            Event::Init => shared.namespaces.begin(),
            Event::InitApply(object) | Event::Apply(object) => {
                // One that is going away takes nothing new.
                let there = object.metadata.deletion_timestamp.is_none();
                let labels = object.metadata.labels.clone().unwrap_or_default();
                shared.touched.add(shared.namespaces.told(&object.name_any(), there.then_some(labels)));
            }
            Event::InitDone => shared.touched.add(shared.namespaces.listed()),
            Event::Delete(object) => shared.touched.add(shared.namespaces.told(&object.name_any(), None)),
        }
    }
    Ok(())
}

/// Once for each time that it begins to fail. The API server's words could quote an object, so only the kind of failure is told.
fn complain(shared: &Shared, scope: &Scope, error: &watcher::Error, pause: Duration) {
    let refused = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status.code,
        watcher::Error::WatchError(status) => status.code,
        _ => 0,
    };
    shared.api.metrics().count_kubernetes_request("watch", &if refused == 0 { "none".to_owned() } else { refused.to_string() });
    let advice = match (refused, scope) {
        (403, Scope::Namespaces) => {
            "give the agent's service account a ClusterRole with the rule apiGroups: [\"\"], resources: [\"namespaces\"], verbs: [\"list\", \"watch\"]"
        }
        (403, _) => {
            "give the agent's service account a Role with the rule apiGroups: [\"\"], resources: [\"secrets\"], verbs: [\"list\", \"watch\"] for it; until then it is looked at every so often"
        }
        _ => "it is tried again",
    };
    if pause == PAUSE_FIRST && refused != 410 {
        tracing::warn!(?scope, code = refused, advice, "a watch ended");
    }
}
