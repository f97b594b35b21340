//! One watch: what it sees goes to [`Memory`](super::super::memory::Memory) or
//! [`Namespaces`](super::super::namespaces::Namespaces), and whose content it may have changed is told. Nothing else of an object is
//! kept.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::{Namespace as NamespaceObject, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Config, Event};
use kube::{Api, ResourceExt as _};
use lockstep_core::name::Namespace;
use rand::Rng as _;

use super::super::Shared;
use super::super::field::MANAGED_LABEL;
use super::super::location::Location;
use super::super::namespaces::NO_ANSWER;
use super::Scope;

/// How many objects one page of a list has: what is kept of an object is small, what comes is not.
const PAGE: u32 = 100;
/// The pause before a watch that failed begins anew, doubled up to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LONGEST: Duration = Duration::from_secs(60);

type Metadata<K> = watcher::Result<Event<PartialObjectMeta<K>>>;

/// Watches for as long as it is wanted. An error begins it anew, so that what was missed is found by the list.
pub(super) async fn run(shared: Arc<Shared>, scope: Scope) {
    let mut pause = PAUSE_FIRST;
    loop {
        let result = match &scope {
            Scope::Namespaces => {
                let api = Api::<PartialObjectMeta<NamespaceObject>>::all(shared.api.client().clone());
                follow_namespaces(&shared, watcher::watcher(api, Config::default().page_size(PAGE)), &mut pause).await
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
        if let Err(error) = result {
            let code = refused(&error);
            if scope == Scope::Namespaces {
                shared.namespaces.failed(code);
            }
            complain(&shared, &scope, code, pause);
        }
        let jittered = pause.mul_f64(rand::rng().random_range(0.5..1.0));
        tokio::time::sleep(jittered).await;
        pause = (pause * 2).min(PAUSE_LONGEST);
    }
}

fn secrets(shared: &Shared, namespace: &Namespace, config: Config) -> impl Stream<Item = Metadata<Secret>> + use<> {
    let api = Api::<PartialObjectMeta<Secret>>::namespaced(shared.api.client().clone(), namespace.as_str());
    watcher::watcher(api, config.page_size(PAGE))
}

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
                tracing::debug!(?scope, "watching");
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

async fn follow_namespaces(
    shared: &Shared,
    events: impl Stream<Item = Metadata<NamespaceObject>>,
    pause: &mut Duration,
) -> watcher::Result<()> {
    // One that is going away takes nothing new.
    let labels = |object: &PartialObjectMeta<NamespaceObject>| {
        object.metadata.deletion_timestamp.is_none().then(|| object.metadata.labels.clone().unwrap_or_default())
    };
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event? {
            Event::Init => shared.namespaces.begin(),
            Event::InitApply(object) => shared.namespaces.comes(&object.name_any(), labels(&object)),
            Event::InitDone => {
                shared.touched.add(shared.namespaces.listed());
                *pause = PAUSE_FIRST;
            }
            Event::Apply(object) => shared.touched.add(shared.namespaces.told(&object.name_any(), labels(&object))),
            Event::Delete(object) => shared.touched.add(shared.namespaces.told(&object.name_any(), None)),
        }
    }
    Ok(())
}

/// What the API server answered.
fn refused(error: &watcher::Error) -> u16 {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.code,
        _ => NO_ANSWER,
    }
}

/// Once for each time that it begins to fail. The API server's words could quote an object, so only the kind of failure is told.
fn complain(shared: &Shared, scope: &Scope, refused: u16, pause: Duration) {
    shared
        .api
        .metrics()
        .count_kubernetes_request("watch", &if refused == NO_ANSWER { "none".to_owned() } else { refused.to_string() });
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
