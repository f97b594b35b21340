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
        Self { object, manager: manager(owner.binding), mark, others }
    }

    /// The fields that this binding wrote, whoever owns them now.
    fn fields(&self) -> BTreeSet<&Field> {
        let mut fields = self.object.metadata.owned_by(&self.manager);
        fields.extend(self.mark.iter().flat_map(|mark| &*mark.fields));
        fields
    }

    /// Who else owns `field`, the newest first; another binding's mark counts for it.
    pub(super) fn other_owners(&self, field: &Field) -> Vec<String> {
        let mut owners: Vec<String> =
            self.object.metadata.other_owners(field, &self.manager).into_iter().map(str::to_owned).collect();
        for (binding, mark) in &self.others {
            let manager = manager(*binding);
            if mark.fields.contains(field) && !owners.contains(&manager) {
                owners.push(manager);
            }
        }
        owners
    }

    /// Whether it is a key that is there, that we never wrote, and that no manager owns. It is somebody's all the same.
    pub(super) fn is_unowned(&self, field: &Field) -> bool {
        let Field::Key(key) = field else { return false };
        self.object.data.contains_key(key) && !self.fields().contains(field) && self.other_owners(field).is_empty()
    }

    /// What only this binding wrote: it goes with the binding.
    pub(super) fn own_alone(&self) -> impl Iterator<Item = &Field> {
        self.fields().into_iter().filter(|field| self.other_owners(field).is_empty())
    }

    /// Whether no other binding has content here.
    pub(super) fn is_last(&self) -> bool {
        self.others.is_empty()
    }

    /// Whether somebody else set the label or the annotation that are ours alone to set.
    pub(super) fn lost_marks(&self) -> bool {
        let ours = |field: &Field| field.is_lockstep() && matches!(field, Field::Label(_)) || self.is_own_annotation(field);
        let entries = self.object.metadata.managed_fields.iter().filter(|entry| binding_of(&entry.manager).is_none());
        entries.flat_map(|entry| &entry.fields).any(ours)
    }

    fn is_own_annotation(&self, field: &Field) -> bool {
        matches!(field, Field::Annotation(name) if name.strip_prefix(MARK_PREFIX) == self.manager.strip_prefix(MANAGER_PREFIX))
    }

    /// Whether it has keys that this binding did not write alone.
    pub(super) fn is_shared(&self) -> bool {
        let ours = self.fields();
        let mut keys = self.object.data.keys().map(|key| Field::Key(key.clone()));
        keys.any(|key| !ours.contains(&key) || !self.other_owners(&key).is_empty())
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
