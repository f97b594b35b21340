//! Which workloads a change concerns. Asked when content changed; nothing is watched in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lockstep_core::id::BindingId;
use lockstep_core::selector::{Operator, Selector};

use super::api::{Api, ApiError};
use super::kind::{Kind, Workload};
use super::object::Object;
use super::plan::concerns;
use super::references::refers_to;
use super::seen::Seen;
use super::{Due, Policy};

/// The most workloads that one look takes up; each takes some 300 bytes until it is healthy.
const WORKLOADS_MAX: usize = 10_000;

/// What was found for some bindings.
#[derive(Debug, Default)]
pub(super) struct Found {
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
        self.namespaces.contains(&workload.namespace)
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
pub(super) async fn discover(api: &Api, dues: &[Arc<Due>]) -> Result<Found, ApiError> {
    let mut found = Found::default();
    let mut namespaces: BTreeMap<&str, Vec<&Due>> = BTreeMap::new();
    for due in dues.iter().filter(|due| due.needs_lists()) {
        for namespace in &due.namespaces {
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
        for object in page.items.into_iter().flatten() {
            let workload = Workload { namespace: namespace.to_owned(), kind, name: object.metadata.name.clone() };
            for due in dues.iter().filter(|due| due.means(&workload, &object)) {
                found.note(due, &workload, &object);
            }
        }
        next = page.metadata.next.filter(|next| !next.is_empty());
        if next.is_none() {
            return Ok(());
        }
    }
}

/// A named workload is asked for by its name, so an agent that may not list can still restart it.
async fn get(api: &Api, due: &Due, kind: Kind, name: &str, found: &mut Found) -> Result<(), ApiError> {
    let mut is_somewhere = false;
    for namespace in &due.namespaces {
        let workload = Workload { namespace: namespace.clone(), kind, name: name.to_owned() };
        if found.workloads.get(&workload).is_some_and(|(_, bindings)| bindings.contains(&due.binding)) {
            is_somewhere = true;
            continue;
        }
        match api.get(&workload).await {
            Err(error @ ApiError::Away(_)) => return Err(error),
            Err(ApiError::Gone) => continue,
            Err(error) => found.note_trouble(due, &error),
            Ok(object) => found.note(due, &workload, &object),
        }
        is_somewhere = true;
    }
    if !is_somewhere {
        let why = format!("{kind} {name}: there is none in {}", due.namespaces.join(", "));
        found.missing.entry(due.binding).or_default().push(why);
    }
    Ok(())
}

impl Found {
    fn note(&mut self, due: &Due, workload: &Workload, object: &Object) {
        let Some(seen) = Seen::of(workload.kind, object).filter(|seen| concerns(seen, &due.changed)) else { return };
        if self.workloads.len() == WORKLOADS_MAX && !self.workloads.contains_key(workload) {
            let why = format!("more than {WORKLOADS_MAX} workloads are concerned: the others are restarted once these are done");
            self.troubles.entry(due.binding).or_default().insert(why);
            return;
        }
        let (_, bindings) = self.workloads.entry(workload.clone()).or_insert_with(|| (seen, BTreeSet::new()));
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
