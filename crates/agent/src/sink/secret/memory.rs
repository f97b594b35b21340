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
use crate::sink::Stamp;
use known::{Entry, Known, is_newer};
pub(super) use known::{Look, Seen};

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    objects: HashMap<Location, Known>,
    /// Where each binding has its content.
    uses: HashMap<BindingId, Use>,
    /// Watches that tell of every change.
    synced: HashSet<Scope>,
    /// How many have content of ours.
    filled: usize,
}

#[derive(Debug, Default)]
struct Use {
    locations: Box<[Location]>,
    /// Whether it only compares there.
    observes: bool,
}

impl Memory {
    /// From now on `binding` has its content at these places, or only `observes` them, and what is known of it elsewhere is forgotten.
    pub(super) fn locate(&self, binding: BindingId, locations: &[Location], observes: bool) {
        let mut inner = self.lock();
        for location in locations {
            inner.objects.entry(location.clone()).or_default().entries.make(binding);
        }
        let before = inner.uses.insert(binding, Use { locations: locations.into(), observes }).unwrap_or_default();
        inner.leave(binding, before.locations.iter().filter(|location| !locations.contains(location)));
    }

    /// `binding` has no content any more.
    pub(super) fn forget(&self, binding: BindingId) {
        let mut inner = self.lock();
        let before = inner.uses.remove(&binding).unwrap_or_default();
        inner.leave(binding, before.locations.iter());
    }

    /// Whether `binding` delivers there.
    pub(super) fn is_delivered(&self, location: &Location, binding: BindingId) -> bool {
        self.lock().is_delivered(location, binding)
    }

    /// The newest marks of the other bindings that deliver there, also while the Secret is not there.
    pub(super) fn claims(&self, location: &Location, binding: BindingId) -> Vec<(BindingId, Arc<SecretMark>)> {
        let inner = self.lock();
        let entries = inner.objects.get(location).into_iter().flat_map(|known| known.entries.iter());
        let others = entries.filter(|(other, _)| *other != binding && inner.is_delivered(location, *other));
        others.filter_map(|(other, entry)| Some((other, entry.mark.clone()?))).collect()
    }

    /// A write took something from these. Answers which of them are to look at what they have left.
    pub(super) fn took_from(&self, location: &Location, bindings: &BTreeSet<BindingId>) -> Vec<BindingId> {
        let mut inner = self.lock();
        let Some(known) = inner.objects.get_mut(location) else { return Vec::new() };
        let mut told = Vec::new();
        for binding in bindings {
            let Some(entry) = known.entries.get_mut(*binding) else { continue };
            entry.at = None;
            told.extend(entry.seen.take().map(|_| *binding));
        }
        inner.count(location);
        told
    }

    /// Where `binding` has its content.
    pub(super) fn locations(&self, binding: BindingId) -> Vec<Location> {
        self.lock().uses.get(&binding).map(|used| used.locations.to_vec()).unwrap_or_default()
    }

    /// Whether content was last refused there, so that the server knows and sends it again by itself.
    pub(super) fn set_refused(&self, location: &Location, binding: BindingId, refused: bool) {
        let mut inner = self.lock();
        if let Some(entry) = inner.objects.get_mut(location).and_then(|known| known.entries.get_mut(binding)) {
            entry.refused = refused;
        }
    }

    /// Whether content was last refused there, and nothing changed since as far as is known.
    pub(super) fn is_refused(&self, location: &Location, binding: BindingId) -> bool {
        let inner = self.lock();
        inner.objects.get(location).and_then(|known| known.entries.get(binding)).is_some_and(|entry| entry.refused)
    }

    /// Nobody knows whether it was written.
    pub(super) fn set_uncertain(&self, location: &Location, binding: BindingId) {
        let mut inner = self.lock();
        if let Some(entry) = inner.objects.get_mut(location).and_then(|known| known.entries.get_mut(binding)) {
            entry.uncertain = true;
        }
    }

    /// Whether content of this stamp is in any place of `binding`, or may be.
    pub(super) fn may_have(&self, binding: BindingId, stamp: &Stamp) -> bool {
        let inner = self.lock();
        let mut entries = inner
            .uses
            .get(&binding)
            .into_iter()
            .flat_map(|used| used.locations.iter())
            .filter_map(|location| inner.objects.get(location)?.entries.get(binding));
        entries.any(|entry| entry.uncertain || entry.mark.as_ref().is_some_and(|mark| mark.stamp() == *stamp))
    }

    /// The version that was last read or written for the binding, and its newest mark.
    pub(super) fn known(&self, location: &Location, binding: BindingId) -> (Option<String>, Option<Arc<SecretMark>>) {
        let inner = self.lock();
        let entry = inner.objects.get(location).and_then(|known| known.entries.get(binding));
        entry.map(|entry| (entry.at.clone(), entry.mark.clone())).unwrap_or_default()
    }

    /// Whether the binding's content was not there, or not as it writes it, when the Secret was last seen. Its newest mark then says nothing
    /// of whose the keys are: somebody else may have made the Secret anew.
    pub(super) fn is_strange(&self, location: &Location, binding: BindingId) -> bool {
        let inner = self.lock();
        let entry = inner.objects.get(location).and_then(|known| known.entries.get(binding));
        entry.is_some_and(|entry| entry.at.is_some() && entry.seen.is_none())
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
        let mut locations = inner.uses.get(&binding)?.locations.iter();
        locations.find_map(|at| Some((at.clone(), inner.objects.get(at)?.entries.get(binding)?.changed_by.clone()?)))
    }

    /// Marks of the binding that were seen, by place.
    pub(super) fn marks(&self, binding: BindingId) -> Vec<(Location, Arc<SecretMark>)> {
        let inner = self.lock();
        let locations = inner.uses.get(&binding).into_iter().flat_map(|used| used.locations.iter());
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
        let refused = entry.refused;
        *entry = Entry { at: version, seen, mark, former, changed_by, compared, refused, uncertain: false };
        inner.count(location);
    }

    /// The version that was compared, empty where there was no Secret; `recorded`: that one, where it was another run of the agent that
    /// compared it. `None`: it never was.
    pub(super) fn compared(&self, location: &Location, binding: BindingId, recorded: Option<&String>) -> Option<String> {
        let mut inner = self.lock();
        let entry = inner.objects.get_mut(location)?.entries.get_mut(binding)?;
        if !entry.compared {
            let version = recorded?.clone();
            *entry = Entry { at: Some(version).filter(|version| !version.is_empty()), compared: true, ..Entry::default() };
        }
        Some(entry.at.clone().unwrap_or_default())
    }

    /// The Secret's present version, empty if there is none, where a watch by its name tells it.
    pub(super) fn watched(&self, location: &Location) -> Option<String> {
        let inner = self.lock();
        let known = inner.objects.get(location).filter(|_| inner.is_watched(location, true))?;
        Some(known.version().cloned().unwrap_or_default())
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
        known.entries.iter_mut().for_each(|entry| entry.refused = false);
        known.whom_to_tell()
    }

    /// A list does not have it.
    pub(super) fn not_listed(&self, location: &Location) -> Vec<BindingId> {
        let mut inner = self.lock();
        let Some(known) = inner.objects.get_mut(location) else { return Vec::new() };
        known.is_there = false;
        known.entries.iter_mut().for_each(|entry| entry.refused = false);
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
    fn is_delivered(&self, location: &Location, binding: BindingId) -> bool {
        self.uses.get(&binding).is_some_and(|used| !used.observes && used.locations.contains(location))
    }

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
