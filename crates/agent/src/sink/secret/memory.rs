//! What is known of the cluster's Secrets without asking: the newest version of each that was written, read or told by a watch, and
//! what each binding's content was at a version. No values.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockstep_core::id::BindingId;

use super::location::Location;
use super::mark::SecretMark;
use super::watch::Scope;
use crate::state::keyring::Digests;

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    objects: HashMap<Location, Known>,
    /// Where each binding has its content.
    uses: HashMap<BindingId, BTreeSet<Location>>,
    /// Watches that tell of every change.
    synced: HashSet<Scope>,
}

/// What is known of one Secret.
#[derive(Debug, Default)]
struct Known {
    /// Of the newest news of it.
    newest: Option<String>,
    /// Whether it was there then.
    is_there: bool,
    /// By those that have content there.
    entries: BTreeMap<BindingId, Entry>,
    /// How many writes of this agent are under way: what a watch tells then is mostly their own doing.
    writing: u32,
    /// Whether a watch told something meanwhile.
    told_meanwhile: bool,
}

/// What is known of one binding's content in one Secret.
#[derive(Debug, Default)]
struct Entry {
    /// What the content was at a version.
    seen: Option<(String, Seen)>,
    /// The newest mark seen, which outlives the Secret: whoever restores it must know what was there.
    mark: Option<Arc<SecretMark>>,
    /// Who changed it, where it was found changed.
    changed_by: Option<String>,
    /// The version that a binding which only observes was compared with; `Some(None)`: there was none.
    compared: Option<Option<String>>,
}

/// Content that is as the sink writes it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) digests: Digests,
    pub(super) mark: Arc<SecretMark>,
}

impl Memory {
    /// From now on `binding` has its content at these places, and what is known of it elsewhere is forgotten.
    pub(super) fn locate(&self, binding: BindingId, locations: &[Location]) {
        let mut inner = self.lock();
        let now: BTreeSet<Location> = locations.iter().cloned().collect();
        for location in &now {
            inner.objects.entry(location.clone()).or_default().entries.entry(binding).or_default();
        }
        let before = inner.uses.insert(binding, now.clone()).unwrap_or_default();
        inner.leave(binding, before.difference(&now));
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

    /// The newest version, and the binding's newest mark.
    pub(super) fn known(&self, location: &Location, binding: BindingId) -> (Option<String>, Option<Arc<SecretMark>>) {
        let inner = self.lock();
        let known = inner.objects.get(location);
        let mark = known.and_then(|known| known.entries.get(&binding)?.mark.clone());
        (known.and_then(|known| known.version().cloned()), mark)
    }

    /// The binding's content, where a watch vouches that nothing changed since it was seen.
    pub(super) fn unchanged(&self, location: &Location, binding: BindingId) -> Option<Seen> {
        let inner = self.lock();
        let known = inner.objects.get(location).filter(|_| inner.is_watched(location))?;
        let (version, seen) = known.entries.get(&binding)?.seen.as_ref()?;
        (known.version() == Some(version)).then(|| seen.clone())
    }

    /// Where the binding's content was found changed, and by whom.
    pub(super) fn changed_by(&self, binding: BindingId) -> Option<(Location, String)> {
        let inner = self.lock();
        let mut locations = inner.uses.get(&binding)?.iter();
        locations.find_map(|at| Some((at.clone(), inner.objects.get(at)?.entries.get(&binding)?.changed_by.clone()?)))
    }

    /// Marks of the binding that were seen, by place.
    pub(super) fn marks(&self, binding: BindingId) -> Vec<(Location, Arc<SecretMark>)> {
        let inner = self.lock();
        let locations = inner.uses.get(&binding).into_iter().flatten();
        locations.filter_map(|at| Some((at.clone(), inner.objects.get(at)?.entries.get(&binding)?.mark.clone()?))).collect()
    }

    /// How many Secrets have content of ours.
    pub(super) fn count(&self) -> usize {
        self.lock().objects.values().filter(|known| known.entries.values().any(|entry| entry.seen.is_some())).count()
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
        let Some(entry) = known.entries.get_mut(&binding) else { return };
        entry.seen = look.version.clone().zip(look.seen);
        entry.mark = look.mark.or(entry.mark.take());
        entry.changed_by = look.changed_by;
        entry.compared = look.compared.then_some(look.version);
    }

    /// Whether it has another version than the one it was compared with.
    pub(super) fn differs_from_compared(&self, location: &Location, binding: BindingId) -> bool {
        let inner = self.lock();
        let Some(known) = inner.objects.get(location) else { return false };
        let compared = known.entries.get(&binding).and_then(|entry| entry.compared.as_ref());
        compared.is_some_and(|compared| compared.as_ref() != known.version())
    }

    /// A write begins; it ends with [`Memory::wrote`] or [`Memory::did_not_write`].
    pub(super) fn writes(&self, location: &Location) {
        if let Some(known) = self.lock().objects.get_mut(location) {
            known.writing += 1;
        }
    }

    /// It was written, over version `before`. Whose content was seen at that version is seen still: a write changes nothing but its
    /// own binding's. Answers whom to tell that somebody else wrote since.
    pub(super) fn wrote(
        &self,
        location: &Location,
        binding: BindingId,
        before: Option<&str>,
        version: String,
        seen: Seen,
    ) -> Vec<BindingId> {
        let mut inner = self.lock();
        let Some(known) = inner.objects.get_mut(location) else { return Vec::new() };
        known.end_writing();
        for entry in known.entries.values_mut() {
            if let Some((at, _)) = entry.seen.as_mut().filter(|(at, _)| Some(at.as_str()) == before) {
                at.clone_from(&version);
            }
        }
        if let Some(entry) = known.entries.get_mut(&binding) {
            let mark = Some(seen.mark.clone());
            *entry = Entry { seen: Some((version.clone(), seen)), mark, ..Entry::default() };
        }
        // Somebody else wrote it, or removed it, since.
        if known.newest.as_ref().is_some_and(|newest| is_newer(newest, &version)) {
            return known.entries.keys().copied().collect();
        }
        known.set(&version, true);
        Vec::new()
    }

    /// It was not written, or nobody knows. Answers whom to tell of what came meanwhile.
    pub(super) fn did_not_write(&self, location: &Location) -> Vec<BindingId> {
        let mut inner = self.lock();
        let Some(known) = inner.objects.get_mut(location) else { return Vec::new() };
        if known.end_writing() { known.entries.keys().copied().collect() } else { Vec::new() }
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
        let there = inner.objects.iter().filter(|(location, known)| known.is_there && scope.covers(location));
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

/// What a look at a Secret showed.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) version: Option<String>,
    pub(super) seen: Option<Seen>,
    pub(super) mark: Option<Arc<SecretMark>>,
    pub(super) changed_by: Option<String>,
    /// Whether it was looked at for comparing only.
    pub(super) compared: bool,
}

impl Known {
    fn version(&self) -> Option<&String> {
        self.newest.as_ref().filter(|_| self.is_there)
    }

    fn set(&mut self, version: &str, is_there: bool) {
        self.newest = Some(version.to_owned());
        self.is_there = is_there;
    }

    fn whom_to_tell(&mut self) -> Vec<BindingId> {
        if self.writing > 0 {
            self.told_meanwhile = true;
            return Vec::new();
        }
        self.entries.keys().copied().collect()
    }

    /// Whether something was told that nobody has heard of yet.
    fn end_writing(&mut self) -> bool {
        self.writing = self.writing.saturating_sub(1);
        self.writing == 0 && std::mem::take(&mut self.told_meanwhile)
    }
}

impl Inner {
    fn leave<'a>(&mut self, binding: BindingId, locations: impl Iterator<Item = &'a Location>) {
        for location in locations {
            if let Some(known) = self.objects.get_mut(location) {
                known.entries.remove(&binding);
                if known.entries.is_empty() {
                    self.objects.remove(location);
                }
            }
        }
    }

    fn is_watched(&self, location: &Location) -> bool {
        Scope::covering(location).iter().any(|scope| self.synced.contains(scope))
    }
}

/// Whether version `one` comes after `other`. They are numbers of one sequence (Kubernetes 1.35 says so, and etcd always did it); for
/// what is no number, another version is taken to be a newer one.
fn is_newer(one: &str, other: &str) -> bool {
    match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one), Ok(other)) => one > other,
        _ => one != other,
    }
}
