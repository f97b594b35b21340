//! What is known of the cluster's Secrets without asking: the newest version of each that was written, read or told by a watch, and
//! what each binding's content was at a version. No values.

mod known;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockstep_core::digest::Digest;
use lockstep_core::id::BindingId;

use super::field::Field;
use super::location::Location;
use super::mark::SecretMark;
use super::watch::Scope;
use known::{Entry, Known, is_newer};
pub(super) use known::{Look, Seen};

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    objects: HashMap<Location, Known>,
    /// Where each binding has its content.
    uses: HashMap<BindingId, Box<[Location]>>,
    /// Watches that tell of every change.
    synced: HashSet<Scope>,
    /// How many have content of ours.
    filled: usize,
}

impl Memory {
    /// From now on `binding` has its content at these places, and what is known of it elsewhere is forgotten.
    pub(super) fn locate(&self, binding: BindingId, locations: &[Location]) {
        let mut inner = self.lock();
        for location in locations {
            inner.objects.entry(location.clone()).or_default().entries.make(binding);
        }
        let before = inner.uses.insert(binding, locations.into()).unwrap_or_default();
        inner.leave(binding, before.iter().filter(|location| !locations.contains(location)));
    }

    /// `binding` has no content any more.
    pub(super) fn forget(&self, binding: BindingId) {
        let mut inner = self.lock();
        let before = inner.uses.remove(&binding).unwrap_or_default();
        inner.leave(binding, before.iter());
    }

    /// Whether `binding` has content in this cluster.
    pub(super) fn is_located(&self, binding: BindingId) -> bool {
        self.lock().uses.contains_key(&binding)
    }

    /// The version that was last read or written for the binding, and its newest mark.
    pub(super) fn known(&self, location: &Location, binding: BindingId) -> (Option<String>, Option<Arc<SecretMark>>) {
        let inner = self.lock();
        let entry = inner.objects.get(location).and_then(|known| known.entries.get(binding));
        entry.map(|entry| (entry.at.clone(), entry.mark.clone())).unwrap_or_default()
    }

    /// Of what was to be there, where it was looked for in vain.
    pub(super) fn former(&self, location: &Location, binding: BindingId) -> Option<Digest> {
        self.lock().objects.get(location)?.entries.get(binding)?.former.clone()
    }

    /// Whether another binding wrote one of these fields.
    pub(super) fn is_contested(&self, location: &Location, binding: BindingId, fields: &BTreeSet<Field>) -> bool {
        let inner = self.lock();
        let Some(known) = inner.objects.get(location) else { return false };
        let others = known.entries.iter().filter(|(other, _)| *other != binding).filter_map(|(_, entry)| entry.mark.as_ref());
        others.flat_map(|mark| &*mark.fields).any(|field| fields.contains(field))
    }

    /// The binding's content, where a watch vouches that nothing changed since it was seen.
    pub(super) fn unchanged(&self, location: &Location, binding: BindingId) -> Option<Seen> {
        let inner = self.lock();
        let known = inner.objects.get(location).filter(|_| inner.is_watched(location, false))?;
        let entry = known.entries.get(binding)?;
        entry.seen.clone().filter(|_| known.version() == entry.at.as_ref())
    }

    /// Where the binding's content was found changed, and by whom.
    pub(super) fn changed_by(&self, binding: BindingId) -> Option<(Location, String)> {
        let inner = self.lock();
        let mut locations = inner.uses.get(&binding)?.iter();
        locations.find_map(|at| Some((at.clone(), inner.objects.get(at)?.entries.get(binding)?.changed_by.clone()?)))
    }

    /// Marks of the binding that were seen, by place.
    pub(super) fn marks(&self, binding: BindingId) -> Vec<(Location, Arc<SecretMark>)> {
        let inner = self.lock();
        let locations = inner.uses.get(&binding).into_iter().flat_map(|locations| locations.iter());
        locations.filter_map(|at| Some((at.clone(), inner.objects.get(at)?.entries.get(binding)?.mark.clone()?))).collect()
    }

    /// How many Secrets have content of ours.
    pub(super) fn count(&self) -> usize {
        self.lock().filled
    }

    /// It was read: its version, the content if it is as it should be, its valid mark, and who changed it if not.
    pub(super) fn looked(&self, location: &Location, binding: BindingId, look: Look) {
        let mut inner = self.lock();
        let Some(known) = inner.objects.get_mut(location) else { return };
        match &look.version {
            // A watch was faster than this look.
            Some(version) if known.newest.as_ref().is_some_and(|newest| is_newer(newest, version)) => {}
            Some(version) => known.set(version, true),
            None => known.is_there = false,
        }
        let Some(entry) = known.entries.get_mut(binding) else { return };
        let mark = look.mark.or(entry.mark.take());
        let Look { version, seen, changed_by, former, compared, .. } = look;
        *entry = Entry { at: version, seen, mark, former, changed_by, compared };
        inner.count(location);
    }

    /// Whether a watch tells of another version than the one that was compared; `version`: that one, where it was another run of the
    /// agent that compared it.
    pub(super) fn differs_from_compared(&self, location: &Location, binding: BindingId, version: Option<&String>) -> bool {
        let mut inner = self.lock();
        let is_watched = inner.is_watched(location, true);
        let Some(known) = inner.objects.get_mut(location) else { return false };
        let now = known.version().cloned();
        let Some(entry) = known.entries.get_mut(binding) else { return false };
        if !entry.compared {
            *entry = Entry { at: version.cloned(), compared: true, ..Entry::default() };
        }
        is_watched && entry.at != now
    }

    /// A write begins; it ends with [`Memory::wrote`] or [`Memory::did_not_write`].
    pub(super) fn writes(&self, location: &Location) {
        if let Some(known) = self.lock().objects.get_mut(location) {
            known.writing += 1;
        }
    }

    /// It was written, over version `before`. What was seen at that version is still so: a write changes nothing but its
    /// own binding's. Answers whom to tell that somebody else wrote since.
    pub(super) fn wrote(
        &self,
        location: &Location,
        binding: BindingId,
        before: Option<&str>,
        version: &str,
        seen: Seen,
    ) -> Vec<BindingId> {
        let mut inner = self.lock();
        let Some(known) = inner.objects.get_mut(location) else { return Vec::new() };
        known.end_writing();
        let same = |entry: &&mut Entry| entry.at.is_some() && entry.at.as_deref() == before && !entry.compared;
        for entry in known.entries.iter_mut().filter(same) {
            entry.at = Some(version.to_owned());
        }
        if let Some(entry) = known.entries.get_mut(binding) {
            let mark = Some(seen.mark.clone());
            *entry = Entry { at: Some(version.to_owned()), seen: Some(seen), mark, ..Entry::default() };
        }
        // Somebody else wrote it, or removed it, since.
        let mut told = Vec::new();
        if known.newest.as_ref().is_some_and(|newest| is_newer(newest, version)) {
            told = known.entries.bindings();
        } else {
            known.set(version, true);
        }
        inner.count(location);
        told
    }

    /// It was not written, or nobody knows. Answers whom to tell of what came meanwhile.
    pub(super) fn did_not_write(&self, location: &Location) -> Vec<BindingId> {
        let mut inner = self.lock();
        let Some(known) = inner.objects.get_mut(location) else { return Vec::new() };
        if known.end_writing() { known.entries.bindings() } else { Vec::new() }
    }

    /// A watch tells its version, and whether it is there still. Answers whose content that may have changed.
    pub(super) fn told(&self, location: &Location, version: &str, is_there: bool) -> Vec<BindingId> {
        let mut inner = self.lock();
        let Some(known) = inner.objects.get_mut(location) else { return Vec::new() };
        // What a watch tells may be older than what a request answered.
        if known.newest.as_ref().is_some_and(|newest| !is_newer(version, newest)) {
            return Vec::new();
        }
        known.set(version, is_there);
        known.whom_to_tell()
    }

    /// A list does not have it.
    pub(super) fn not_listed(&self, location: &Location) -> Vec<BindingId> {
        let mut inner = self.lock();
        let Some(known) = inner.objects.get_mut(location) else { return Vec::new() };
        known.is_there = false;
        known.whom_to_tell()
    }

    /// Places below `scope` that are thought to exist.
    pub(super) fn below(&self, scope: &Scope) -> Vec<Location> {
        let inner = self.lock();
        let tells = |known: &Known| known.is_there && (matches!(scope, Scope::Object(_)) || known.is_delivered());
        let there = inner.objects.iter().filter(|(location, known)| scope.covers(location) && tells(known));
        there.map(|(location, _)| location.clone()).collect()
    }

    /// Whether a watch tells of every change below `scope`.
    pub(super) fn set_synced(&self, scope: &Scope, synced: bool) {
        let mut inner = self.lock();
        if synced {
            inner.synced.insert(scope.clone());
        } else {
            inner.synced.remove(scope);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn leave<'a>(&mut self, binding: BindingId, locations: impl Iterator<Item = &'a Location>) {
        for location in locations {
            if let Some(known) = self.objects.get_mut(location) {
                known.entries.remove(binding);
                let is_empty = known.entries.is_empty();
                self.count(location);
                if is_empty {
                    self.objects.remove(location);
                }
            }
        }
    }

    /// `by_name`: also while it does not carry our label.
    fn is_watched(&self, location: &Location, by_name: bool) -> bool {
        self.synced.contains(&Scope::Object(location.clone()))
            || !by_name && self.synced.contains(&Scope::Namespace(location.namespace.clone()))
    }

    /// Counts a Secret anew.
    fn count(&mut self, location: &Location) {
        let Some(known) = self.objects.get_mut(location) else { return };
        let is_filled = known.entries.iter().any(|(_, entry)| entry.seen.is_some());
        match (std::mem::replace(&mut known.is_filled, is_filled), is_filled) {
            (false, true) => self.filled += 1,
            (true, false) => self.filled -= 1,
            _ => {}
        }
    }
}
