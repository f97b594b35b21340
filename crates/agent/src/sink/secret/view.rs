//! A Secret that was read, as one binding sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lockstep_core::binding::SecretTarget;
use lockstep_core::id::BindingId;
use lockstep_core::render::Rendered;

use super::field::{Field, MANAGED_LABEL, MANAGER_PREFIX, MARK_PREFIX};
use super::location::Location;
use super::mark::{self, SecretMark};
use super::memory::{Look, Seen};
use super::object::SecretObject;
use crate::sink::rank::Rank;
use crate::sink::{Observed, Owner};
use crate::state::keyring::Keys;

/// The field manager of a binding.
pub(super) fn manager(binding: BindingId) -> String {
    format!("{MANAGER_PREFIX}{binding}")
}

/// The binding whose field manager that is.
pub(super) fn binding_of(manager: &str) -> Option<BindingId> {
    manager.strip_prefix(MANAGER_PREFIX)?.parse().ok()
}

/// What one binding has in a Secret, and what others have.
pub(super) struct View<'a> {
    pub(super) object: &'a SecretObject,
    binding: BindingId,
    manager: String,
    /// This binding's, if it is valid.
    pub(super) mark: Option<Arc<SecretMark>>,
    /// Valid marks of other bindings.
    others: BTreeMap<BindingId, SecretMark>,
}

impl<'a> View<'a> {
    pub(super) fn of(object: &'a SecretObject, owner: Owner, location: &Location, keys: &Keys) -> Self {
        let mut others = mark::valid_marks(&object.metadata.annotations, location, owner.registry, keys);
        let mark = others.remove(&owner.binding).map(|mark| Arc::new(mark.written(&object.metadata, owner.binding)));
        Self { object, binding: owner.binding, manager: manager(owner.binding), mark, others }
    }

    /// The fields that this binding wrote, whoever owns them now.
    fn fields(&self) -> BTreeSet<&Field> {
        let mut fields = self.object.metadata.owned_by(&self.manager);
        fields.extend(self.mark.iter().flat_map(|mark| &*mark.fields));
        fields
    }

    /// Who else owns `field`, the newest first; another binding's mark counts for it, unless it is what that one left and this one
    /// adopted.
    pub(super) fn other_owners(&self, field: &Field) -> Vec<String> {
        let mut owners: Vec<String> =
            self.object.metadata.other_owners(field, &self.manager).into_iter().map(str::to_owned).collect();
        let names_it = self.mark.as_ref().is_some_and(|mark| mark.fields.contains(field));
        let is_adopted = names_it && self.object.metadata.owned_by(&self.manager).contains(field);
        for (binding, mark) in self.others.iter().filter(|_| !is_adopted) {
            let manager = manager(*binding);
            if mark.fields.contains(field) && !owners.contains(&manager) {
                owners.push(manager);
            }
        }
        owners
    }

    /// Another binding's place among bindings, as its mark says it.
    pub(super) fn rank_of(&self, other: BindingId) -> Rank {
        self.others.get(&other).map_or(Rank { binding: other, registered: None }, |mark| mark.rank(other))
    }

    /// The older binding that has something here which this one wrote. `is_delivered` tells of another binding whether it delivers here.
    pub(super) fn taken_by(&self, target: &SecretTarget, is_delivered: impl Fn(BindingId) -> bool) -> Option<BindingId> {
        let mark = self.mark.as_ref()?;
        let is_lost = |field: &Field| match field {
            Field::Key(_) => !target.immutable,
            Field::Label(name) => target.labels.get(name).is_some_and(|value| !self.object.has(field, value.as_bytes())),
            Field::Annotation(name) => {
                target.annotations.get(name).is_some_and(|value| !self.object.has(field, value.as_bytes()))
            }
            Field::Other(_) => false,
        };
        let mut older = self.others.iter().filter(|(other, theirs)| theirs.rank(**other).is_before(mark.rank(self.binding)));
        let taker = older.find(|(other, theirs)| {
            is_delivered(**other) && mark.fields.iter().any(|field| theirs.fields.contains(field) && is_lost(field))
        });
        taker.map(|(other, _)| *other)
    }

    /// Whether writing `field` would take it from one of `others`, its other owners; `differs`: whether it has another value now.
    pub(super) fn is_somebodys(&self, field: &Field, differs: bool, others: &[String]) -> bool {
        let is_ours = self.object.metadata.owned_by(&self.manager).contains(field);
        let Some(mark) = self.mark.as_ref().filter(|mark| mark.fields.contains(field)) else {
            // What no manager owns is somebody's all the same.
            return !others.is_empty() || !is_ours && self.object.is_there(field) && self.other_owners(field).is_empty();
        };
        // What we wrote and somebody took over is restored. What somebody owns beside us is another thing: an older agent took it because
        // it was the same, or somebody applied the same later and says so still. An update that changes nothing owns nothing, so whoever
        // owns by an update had it before us, and we took it because we were told to.
        is_ours
            && if mark.names_only_ours() {
                differs && others.iter().any(|other| self.object.metadata.is_applied_by(field, other))
            } else {
                !others.is_empty()
            }
    }

    /// Whether somebody else has it too. A binding that was removed from here stays on record for what it could not take, but left no mark.
    fn is_kept_by_others(&self, field: &Field) -> bool {
        let has_mark = |binding| self.object.metadata.annotations.contains_key(&mark::annotation(binding));
        self.other_owners(field).iter().any(|owner| binding_of(owner).is_none_or(has_mark))
    }

    /// What only this binding wrote: it goes with the binding.
    pub(super) fn own_alone(&self) -> impl Iterator<Item = &Field> {
        self.fields().into_iter().filter(|field| !self.is_kept_by_others(field))
    }

    /// Whether nothing tells of this binding: no mark, valid or not, and no field that its manager owns. What is no key, label or
    /// annotation does not tell: whoever applied a Secret's type owns it for as long as the Secret is there.
    pub(super) fn has_nothing(&self) -> bool {
        let annotations = &self.object.metadata.annotations;
        let owned = self.object.metadata.owned_by(&self.manager);
        !annotations.keys().any(|name| self.is_own_annotation(&Field::Annotation(name.clone())))
            && owned.iter().all(|field| matches!(field, Field::Other(_)))
    }

    /// Whether no other binding has content here.
    pub(super) fn is_last(&self) -> bool {
        self.others.is_empty()
    }

    /// Whether somebody else set the label or the annotation that are ours alone to set.
    pub(super) fn lost_marks(&self) -> bool {
        let ours = |field: &Field| field.is_lockstep() && matches!(field, Field::Label(_)) || self.is_own_annotation(field);
        let entries = self.object.metadata.managed_fields.iter().filter(|entry| binding_of(&entry.manager).is_none());
        entries.flat_map(|entry| entry.fields.iter()).any(ours)
    }

    fn is_own_annotation(&self, field: &Field) -> bool {
        matches!(field, Field::Annotation(name) if name.strip_prefix(MARK_PREFIX) == self.manager.strip_prefix(MANAGER_PREFIX))
    }

    /// Whether it has keys that this binding did not write alone.
    pub(super) fn is_shared(&self) -> bool {
        let ours = self.fields();
        let mut keys = self.object.data.keys().map(|key| Field::Key(key.clone()));
        keys.any(|key| !ours.contains(&key) || self.is_kept_by_others(&key))
    }

    /// The content: what there is of the keys that this binding wrote.
    fn content(&self) -> Option<Rendered> {
        let keys = self.fields().into_iter().filter_map(|field| match field {
            Field::Key(key) => Some((key.clone(), self.object.value(key)?)),
            _ => None,
        });
        Rendered::of(keys).ok()
    }

    /// Whether it is as the sink writes it, but for the content.
    fn is_in_shape(&self, target: &SecretTarget) -> bool {
        let SecretObject { metadata, immutable, .. } = self.object;
        let has = |map: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>| {
            wanted.iter().all(|(name, value)| map.get(name) == Some(value))
        };
        metadata.deletion_timestamp.is_none()
            && metadata.labels.get(MANAGED_LABEL).is_some_and(|value| value == "true")
            && has(&metadata.labels, &target.labels)
            && has(&metadata.annotations, &target.annotations)
            && (*immutable || !target.immutable)
    }

    /// What is there, and what is to be remembered of it.
    pub(super) fn look(&self, target: &SecretTarget, keys: &Keys) -> (Observed, Look) {
        let mut look =
            Look { version: Some(self.object.metadata.resource_version.clone()), mark: self.mark.clone(), ..Look::default() };
        let Some(mark) = &self.mark else {
            let is_ours = !self.object.metadata.owned_by(&self.manager).is_empty();
            look.changed_by = self.last_other();
            return (if is_ours { Observed::Altered } else { Observed::Foreign }, look);
        };
        let digests = self.content().map(|content| keys.digests(&content));
        let (Some(digests), true) = (digests, self.is_in_shape(target)) else {
            look.changed_by = self.culprit().or_else(|| self.last_other());
            return (Observed::Altered, look);
        };
        // Under a key that is not known any more nobody can say that it changed.
        if digests.under(&mark.digest.key).is_some_and(|digest| *digest != mark.digest) {
            look.changed_by = self.culprit().or_else(|| self.last_other());
        }
        look.seen = Some(Seen { digests: digests.clone(), mark: mark.clone() });
        (Observed::Content(digests, mark.stamp()), look)
    }

    /// Who took over what this binding wrote.
    fn culprit(&self) -> Option<String> {
        self.mark.iter().flat_map(|mark| &*mark.fields).find_map(|field| self.other_owners(field).into_iter().next())
    }

    /// Who else changed anything last.
    fn last_other(&self) -> Option<String> {
        let others = self.object.metadata.managed_fields.iter().filter(|entry| entry.manager != self.manager);
        others.max_by(|one, other| one.time.cmp(&other.time)).map(|entry| entry.manager.clone())
    }
}
