//! Bindings that were made: whether they are valid, which are one and the same, and what they are called.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_api::binding::{Binding, BindingSpec, CsiTarget, Item, SecretTarget, Target};
use lockstep_api::manifest::Metadata;
use lockstep_api::selector::Selector;
use lockstep_core::binding::NAMESPACES_MAX;
use lockstep_core::name::NAME_MAX_BYTES;

use super::object::Object;
use super::outcome::{Outcome, printable};
use super::{Wanted, items::Items};
use crate::{format, manifest, terminal};

/// A binding that an object became.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) spec: BindingSpec,
    /// What it would be called if nothing else is.
    hint: String,
    /// The object's, which tells objects of one name apart.
    namespace: String,
    /// Its name; `None`: another binding delivers it too, see `joined`.
    name: Option<String>,
    /// Which binding delivers it, by the places of outcome and binding.
    joined: Option<(usize, usize)>,
    /// Other objects that it stands for, as in `externalsecret/shop/db (file.yaml:3)`.
    also: Vec<String>,
    /// What is still to be done with the object, for the binding to be of use.
    next: Option<String>,
}

impl Made {
    /// A binding called like `hint`, that delivers `items` to the object's namespace.
    pub(super) fn new(object: &Object, hint: &str, wanted: &Wanted, items: Items, target: SecretTarget) -> Self {
        let target = SecretTarget { namespaces: vec![object.namespace.clone()], adopt: true, ..target };
        let target = Target { secret: Some(target), ..Target::default() };
        let mode = wanted.observe.then(|| "Observe".to_owned());
        Self::of(object, hint, wanted, BindingSpec { mode, ..bare_spec(items.into_vec(), target) })
    }

    /// A binding called like `hint`, that lets pods of the object's namespace mount `items`.
    pub(super) fn volume(
        object: &Object,
        hint: &str,
        wanted: &Wanted,
        items: Vec<Item>,
        accounts: &BTreeSet<String>,
        next: &str,
    ) -> Self {
        let service_accounts = accounts.iter().cloned().collect();
        let csi = CsiTarget { namespaces: vec![object.namespace.clone()], service_accounts };
        let made = Self::of(object, hint, wanted, bare_spec(items, Target { csi: Some(csi), ..Target::default() }));
        Self { next: Some(next.to_owned()), ..made }
    }

    fn of(object: &Object, hint: &str, wanted: &Wanted, spec: BindingSpec) -> Self {
        let spec = BindingSpec { project: wanted.project.clone(), clusters: wanted.clusters.clone(), ..spec };
        let namespace = object.namespace.clone();
        Self { spec, hint: name_from(hint), namespace, name: None, joined: None, also: Vec::new(), next: None }
    }

    /// What is still to be done with the object.
    pub(super) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    fn manifest(&self, name: &str) -> Binding {
        let metadata = Metadata { name: name.to_owned(), ..Metadata::default() };
        Binding::new("Binding", metadata, self.spec.clone(), None)
    }

    /// What `lockstep apply` would say of it.
    fn mistakes(&self) -> Result<(), String> {
        let text = format::yaml(&self.manifest(&self.hint)).map_err(|error| format!("{error:#}"))?;
        manifest::mistakes_in(text)
    }

    /// Its manifest, if it is one of its own; with the lines that go before it.
    pub(super) fn written(&self, outcome: &Outcome) -> Option<anyhow::Result<String>> {
        let name = self.name.as_ref()?;
        let from = std::iter::once(format!("From {} ({})", outcome.title(), outcome.place));
        let also = self.also.iter().map(|other| format!("and {other}"));
        let left = outcome.lines.left_out.iter().map(|line| format!("Left out: {}: {}", line.field, line.why));
        let next = self.next.iter().map(|next| format!("Next: {next}"));
        let comments = terminal::lines(from.chain(also).chain(left).chain(next).map(|line| format!("# {}", printable(&line))));
        Some(format::yaml(&self.manifest(name)).map(|yaml| format!("{comments}{yaml}")))
    }

    fn without_namespaces(&self) -> BindingSpec {
        let mut spec = self.spec.clone();
        change_namespaces(&mut spec, Vec::clear);
        spec
    }
}

/// A binding of nobody's, as it is without a policy.
fn bare_spec(items: Vec<Item>, target: Target) -> BindingSpec {
    BindingSpec {
        project: String::new(),
        clusters: Selector::default(),
        items,
        target,
        mode: None,
        templates: BTreeMap::new(),
        templates_only: false,
        deletion_policy: None,
        source_deletion_policy: None,
        restart: None,
    }
}

/// A Secret of which nothing is said yet.
pub(super) fn bare_target() -> SecretTarget {
    SecretTarget {
        name: String::new(),
        namespaces: Vec::new(),
        namespace_selector: None,
        secret_type: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        immutable: false,
        adopt: false,
    }
}

/// A name of a registered thing that is as near to `text` as one can be.
pub(super) fn name_from(text: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = text.chars().map(fit).take(NAME_MAX_BYTES).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "imported".to_owned() } else { name.to_owned() }
}

/// Refuses what `lockstep apply` would refuse, joins what is the same in several namespaces, and gives names.
pub(super) fn finish(outcomes: &mut [Outcome]) {
    for outcome in outcomes.iter_mut() {
        refuse_invalid(outcome);
    }
    join_same(outcomes);
    name_all(outcomes);
}

fn refuse_invalid(outcome: &mut Outcome) {
    let judged = std::mem::take(&mut outcome.made).into_iter().map(|made| (made.mistakes(), made));
    let (good, bad): (Vec<_>, Vec<_>) = judged.partition(|(mistakes, _)| mistakes.is_ok());
    for (mistakes, made) in bad {
        let target = made.spec.target.secret.map_or_else(|| "the volume".to_owned(), |secret| format!("Secret {}", secret.name));
        let why = mistakes.err().unwrap_or_default();
        outcome.refuse(target, format!("`lockstep apply` would refuse the binding: {why}"), good.is_empty());
    }
    outcome.made = good.into_iter().map(|(_, made)| made).collect();
}

/// The same Secret with the same content in several namespaces is one binding with several namespaces.
fn join_same(outcomes: &mut [Outcome]) {
    let all: Vec<(usize, usize)> =
        outcomes.iter().enumerate().flat_map(|(o, outcome)| (0..outcome.made.len()).map(move |m| (o, m))).collect();
    let mut first: Vec<(BindingSpec, (usize, usize))> = Vec::new();
    for (o, m) in all {
        let (spec, namespace) = (outcomes[o].made[m].without_namespaces(), outcomes[o].made[m].namespace.clone());
        // Two objects for one Secret stay two bindings, which an operator has to look at. What classes of a namespace mount may be the same.
        let takes = |made: &Made| {
            let is_in = namespaces(made).contains(&namespace);
            if is_in { made.spec.target.csi.is_some() } else { namespaces(made).len() < NAMESPACES_MAX }
        };
        let same = first.iter().find(|(other, at)| *other == spec && takes(&outcomes[at.0].made[at.1]));
        let Some(&(_, at)) = same else {
            outcomes[o].made[m].name = Some(String::new());
            first.push((spec, (o, m)));
            continue;
        };
        let also = format!("{} ({})", outcomes[o].title(), outcomes[o].place);
        outcomes[o].made[m].joined = Some(at);
        let one = &mut outcomes[at.0].made[at.1];
        one.also.push(also);
        if !namespaces(one).contains(&namespace) {
            change_namespaces(&mut one.spec, |namespaces| namespaces.push(namespace));
        }
    }
}

/// Where a binding delivers.
fn namespaces(made: &Made) -> &[String] {
    let Target { secret, csi, .. } = &made.spec.target;
    let of_secret = secret.as_ref().map(|secret| &secret.namespaces);
    of_secret.or(csi.as_ref().map(|csi| &csi.namespaces)).map_or(&[], Vec::as_slice)
}

/// Calls `change` with where a binding delivers.
fn change_namespaces(spec: &mut BindingSpec, change: impl FnOnce(&mut Vec<String>)) {
    let Target { secret, csi, .. } = &mut spec.target;
    let of_secret = secret.as_mut().map(|secret| &mut secret.namespaces);
    if let Some(namespaces) = of_secret.or(csi.as_mut().map(|csi| &mut csi.namespaces)) {
        change(namespaces);
    }
}

/// A hint that several have gets the namespace, and if that is not enough, a number.
fn name_all(outcomes: &mut [Outcome]) {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for made in outcomes.iter().flat_map(|outcome| &outcome.made).filter(|made| made.name.is_some()) {
        *uses.entry(made.hint.clone()).or_default() += 1;
    }
    let mut taken: BTreeSet<String> = uses.iter().filter(|(_, count)| **count == 1).map(|(hint, _)| hint.clone()).collect();
    for made in outcomes.iter_mut().flat_map(|outcome| &mut outcome.made).filter(|made| made.name.is_some()) {
        let name = if uses.get(&made.hint) == Some(&1) { made.hint.clone() } else { free_name(made, &taken) };
        taken.insert(name.clone());
        made.name = Some(name);
    }
    let names: Vec<Vec<Option<String>>> =
        outcomes.iter().map(|outcome| outcome.made.iter().map(|made| made.name.clone()).collect()).collect();
    for (o, outcome) in outcomes.iter_mut().enumerate() {
        let name = |(m, made): (usize, &Made)| {
            let (o, m) = made.joined.unwrap_or((o, m));
            names[o][m].clone()
        };
        outcome.bindings = outcome.made.iter().enumerate().filter_map(name).collect();
    }
}

fn free_name(made: &Made, taken: &BTreeSet<String>) -> String {
    let with_rest = |rest: &str| {
        let room = NAME_MAX_BYTES.saturating_sub(rest.len());
        name_from(&format!("{}{rest}", &made.hint[..made.hint.len().min(room)]))
    };
    let with_namespace = with_rest(&format!("-{}", made.namespace));
    // The number is last and never cut off, so one of them is free.
    let numbered = (2..).map(|number| {
        let rest = format!("-{number}");
        let room = with_namespace.len().min(NAME_MAX_BYTES - rest.len());
        format!("{}{rest}", &with_namespace[..room])
    });
    std::iter::once(with_namespace.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default()
}
