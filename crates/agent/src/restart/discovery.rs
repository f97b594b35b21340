//! Which workloads a change concerns. Asked when content changed; nothing is watched in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use lockstep_core::id::BindingId;
use lockstep_core::selector::{Operator, Selector};

use super::api::{Api, ApiError};
use super::kind::{Kind, Workload};
use super::look::see;
use super::object::Object;
use super::plan::{Moment, concerns};
use super::references::refers_to;
use super::seen::Seen;
use super::{Due, Policy};

/// The most workloads that one look takes up; each takes some 300 bytes until it is healthy.
const WORKLOADS_MAX: usize = 10_000;
/// Workloads whose pods are looked at side by side.
const LOOKS_AT_ONCE: usize = 8;

/// What was found for some bindings.
#[derive(Debug)]
pub(super) struct Found {
    moment: Moment,
    /// Workloads that were there before the change.
    pub(super) workloads: BTreeMap<Workload, (Seen, BTreeSet<BindingId>)>,
    /// What the API server refused to tell.
    pub(super) troubles: BTreeMap<BindingId, BTreeSet<String>>,
    /// Workloads that a binding names and that are nowhere.
    pub(super) missing: BTreeMap<BindingId, Vec<String>>,
}

impl Due {
    /// Whether the binding's policy means this workload.
    pub(super) fn means(&self, workload: &Workload, object: &Object) -> bool {
        let is_named = |(kind, name): &(Kind, String)| *kind == workload.kind && *name == workload.name;
        self.changes.contains_key(&workload.namespace)
            && match &self.policy {
                Policy::Auto => refers_to(&object.spec.template.spec, &self.secret),
                Policy::Selected { workloads, selector } => {
                    workloads.iter().any(is_named) || selector.as_ref().is_some_and(|s| selects(s, &object.metadata.labels))
                }
            }
    }

    fn needs_lists(&self) -> bool {
        match &self.policy {
            Policy::Auto => true,
            Policy::Selected { selector, .. } => selector.is_some(),
        }
    }

    fn named(&self) -> &[(Kind, String)] {
        match &self.policy {
            Policy::Auto => &[],
            Policy::Selected { workloads, .. } => workloads,
        }
    }
}

/// As [`Selector::matches`], but on labels that others wrote: there may be more of them than we would accept.
fn selects(selector: &Selector, labels: &BTreeMap<String, String>) -> bool {
    selector.requirements().iter().all(|requirement| {
        let value = labels.get(requirement.key());
        let is_listed = value.is_some_and(|value| requirement.values().contains(value));
        match requirement.operator() {
            Operator::In => is_listed,
            Operator::NotIn => !is_listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    })
}

/// Looks for the workloads of all of them at once: a namespace is listed once, however many bindings have a Secret in it.
/// Fails only if the API server is away.
pub(super) async fn discover(api: &Api, dues: &[Arc<Due>], moment: Moment) -> Result<Found, ApiError> {
    let mut found = Found { moment, workloads: BTreeMap::new(), troubles: BTreeMap::new(), missing: BTreeMap::new() };
    let mut namespaces: BTreeMap<&str, Vec<&Due>> = BTreeMap::new();
    for due in dues.iter().filter(|due| due.needs_lists()) {
        for namespace in due.changes.keys() {
            namespaces.entry(namespace).or_default().push(due);
        }
    }
    for (namespace, dues) in namespaces {
        for kind in Kind::ALL {
            match list(api, namespace, kind, &dues, &mut found).await {
                Err(error @ ApiError::Away(_)) => return Err(error),
                Err(error) => dues.iter().for_each(|due| found.note_trouble(due, &error)),
                Ok(()) => {}
            }
        }
    }
    for due in dues {
        for (kind, name) in due.named() {
            get(api, due, *kind, name, &mut found).await?;
        }
    }
    Ok(found)
}

async fn list(api: &Api, namespace: &str, kind: Kind, dues: &[&Due], found: &mut Found) -> Result<(), ApiError> {
    let mut next: Option<String> = None;
    loop {
        let page = api.page(namespace, kind, next.as_deref()).await?;
        let looks: Vec<_> = page.items.into_iter().flatten().map(|object| look(api, namespace, kind, dues, object)).collect();
        let mut looks = stream::iter(looks).buffered(LOOKS_AT_ONCE);
        while let Some(looked) = looks.next().await {
            let Some((workload, seen, dues)) = looked? else { continue };
            for due in dues {
                found.note(due, &workload, &seen);
            }
        }
        next = page.metadata.next.filter(|next| !next.is_empty());
        if next.is_none() {
            return Ok(());
        }
    }
}

/// One of a list, if any of `dues` means it.
async fn look<'a>(
    api: &Api,
    namespace: &str,
    kind: Kind,
    dues: &[&'a Due],
    object: Object,
) -> Result<Option<(Workload, Seen, Vec<&'a Due>)>, ApiError> {
    let workload = Workload { namespace: namespace.to_owned(), kind, name: object.metadata.name.clone() };
    let dues: Vec<_> = dues.iter().filter(|due| due.means(&workload, &object)).copied().collect();
    let changes: Vec<_> = dues.iter().filter_map(|due| due.changed_for(&workload)).collect();
    let seen = see(api, &workload, &object, &changes).await?;
    Ok(seen.map(|seen| (workload, seen, dues)))
}

/// A named workload is asked for by its name, so an agent that may not list can still restart it.
async fn get(api: &Api, due: &Due, kind: Kind, name: &str, found: &mut Found) -> Result<(), ApiError> {
    let mut is_somewhere = false;
    for namespace in due.changes.keys() {
        let workload = Workload { namespace: namespace.clone(), kind, name: name.to_owned() };
        if found.workloads.get(&workload).is_some_and(|(_, bindings)| bindings.contains(&due.binding)) {
            is_somewhere = true;
            continue;
        }
        match api.get(&workload).await {
            Err(error @ ApiError::Away(_)) => return Err(error),
            Err(ApiError::Gone) => continue,
            Err(error) => found.note_trouble(due, &error),
            Ok(object) => {
                let changes: Vec<_> = due.changed_for(&workload).into_iter().collect();
                if let Some(seen) = see(api, &workload, &object, &changes).await? {
                    found.note(due, &workload, &seen);
                }
            }
        }
        is_somewhere = true;
    }
    if !is_somewhere {
        let namespaces: Vec<&str> = due.changes.keys().map(String::as_str).collect();
        let why = format!("{kind} {name}: there is none in {}", namespaces.join(", "));
        found.missing.entry(due.binding).or_default().push(why);
    }
    Ok(())
}

impl Found {
    fn note(&mut self, due: &Due, workload: &Workload, seen: &Seen) {
        if due.changed_for(workload).is_none_or(|changed| !concerns(seen, &changed, self.moment)) {
            return;
        }
        if self.workloads.len() == WORKLOADS_MAX && !self.workloads.contains_key(workload) {
            let why = format!("more than {WORKLOADS_MAX} workloads are concerned: the others are restarted once these are done");
            self.troubles.entry(due.binding).or_default().insert(why);
            return;
        }
        let (_, bindings) = self.workloads.entry(workload.clone()).or_insert_with(|| (seen.clone(), BTreeSet::new()));
        bindings.insert(due.binding);
    }

    fn note_trouble(&mut self, due: &Due, error: &ApiError) {
        self.troubles.entry(due.binding).or_default().insert(error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_are_selected_by_their_labels_however_many_they_have() {
        let mut labels: BTreeMap<String, String> = (0..100).map(|i| (format!("l{i}"), String::new())).collect();
        labels.extend([("app".into(), "shop".into()), ("tier".into(), "web".into())]);
        for (selector, want) in [
            ("", true),
            ("app=shop", true),
            ("app=shop,tier in (web,api)", true),
            ("app=other", false),
            ("app!=other,!absent", true),
            ("absent", false),
            ("tier notin (web)", false),
        ] {
            assert_eq!(selects(&selector.parse().unwrap(), &labels), want, "{selector:?}");
        }
    }
}
