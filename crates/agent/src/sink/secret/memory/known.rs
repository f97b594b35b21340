//! What is known of one Secret.

use std::sync::Arc;

use lockstep_core::digest::Digest;
use lockstep_core::id::BindingId;

use super::super::mark::SecretMark;
use crate::state::keyring::Digests;

/// What is known of one Secret.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Of the newest news of it.
    pub(super) newest: Option<String>,
    /// Whether it was there then.
    pub(super) is_there: bool,
    /// By those that have content there.
    pub(super) entries: Entries,
    /// How many writes of this agent are under way: what a watch tells then is mostly their own doing.
    pub(super) writing: u32,
    /// Whether a watch told something meanwhile.
    pub(super) told_meanwhile: bool,
    /// Whether it was counted among those that have content of ours.
    pub(super) is_filled: bool,
}

/// What is known by binding. Nearly always there is one, for which a map would make room for eleven.
#[derive(Debug, Default)]
pub(super) struct Entries(Vec<(BindingId, Entry)>);

/// What is known of one binding's content in one Secret.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The version that was last read or written for this binding. Only that one may be written over without another look: what a
    /// watch tells of later ones says nothing of their content.
    pub(super) at: Option<String>,
    /// What the content was then, if it was as the sink writes it.
    pub(super) seen: Option<Seen>,
    /// The newest mark seen, which outlives the Secret: whoever restores it must know what was there.
    pub(super) mark: Option<Arc<SecretMark>>,
    /// Of what should have been there when it was looked for in vain.
    pub(super) former: Option<Digest>,
    /// Who changed it, where it was found changed.
    pub(super) changed_by: Option<String>,
    /// Whether it was only compared then.
    pub(super) compared: bool,
    /// Whether content was last refused here, and nobody changed it since.
    pub(super) refused: bool,
    /// Whether content was sent here, and nobody knows whether it came.
    pub(super) uncertain: bool,
}

/// Content that is as the sink writes it.
#[derive(Debug, Clone)]
pub(in super::super) struct Seen {
    pub(in super::super) digests: Digests,
    pub(in super::super) mark: Arc<SecretMark>,
}

/// What a look at a Secret showed.
#[derive(Debug, Default)]
pub(in super::super) struct Look {
    pub(in super::super) version: Option<String>,
    pub(in super::super) seen: Option<Seen>,
    pub(in super::super) mark: Option<Arc<SecretMark>>,
    pub(in super::super) changed_by: Option<String>,
    /// Of what should have been there, if nothing was.
    pub(in super::super) former: Option<Digest>,
    /// Whether it was looked at for comparing only.
    pub(in super::super) compared: bool,
}

impl Entries {
    pub(super) fn get(&self, binding: BindingId) -> Option<&Entry> {
        self.iter().find(|(other, _)| *other == binding).map(|(_, entry)| entry)
    }

    pub(super) fn get_mut(&mut self, binding: BindingId) -> Option<&mut Entry> {
        self.0.iter_mut().find(|(other, _)| *other == binding).map(|(_, entry)| entry)
    }

    /// Makes one for `binding`, if there is none.
    pub(super) fn make(&mut self, binding: BindingId) {
        if self.get(binding).is_none() {
            self.0.reserve_exact(1);
            self.0.push((binding, Entry::default()));
        }
    }

    pub(super) fn remove(&mut self, binding: BindingId) {
        self.0.retain(|(other, _)| *other != binding);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (BindingId, &Entry)> {
        self.0.iter().map(|(binding, entry)| (*binding, entry))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.0.iter_mut().map(|(_, entry)| entry)
    }

    pub(super) fn bindings(&self) -> Vec<BindingId> {
        self.0.iter().map(|(binding, _)| *binding).collect()
    }
}

impl Known {
    pub(super) fn version(&self) -> Option<&String> {
        self.newest.as_ref().filter(|_| self.is_there)
    }

    pub(super) fn set(&mut self, version: &str, is_there: bool) {
        self.newest = Some(version.to_owned());
        self.is_there = is_there;
    }

    /// Whether any binding writes it: only then it carries our label.
    pub(super) fn is_delivered(&self) -> bool {
        self.entries.iter().any(|(_, entry)| !entry.compared)
    }

    pub(super) fn whom_to_tell(&mut self) -> Vec<BindingId> {
        if self.writing > 0 {
            self.told_meanwhile = true;
            return Vec::new();
        }
        self.entries.bindings()
    }

    /// Whether something was told that nobody has heard of yet.
    pub(super) fn end_writing(&mut self) -> bool {
        self.writing = self.writing.saturating_sub(1);
        self.writing == 0 && std::mem::take(&mut self.told_meanwhile)
    }
}

/// Whether version `one` comes after `other`. They are numbers of one sequence (Kubernetes 1.35 says so, and etcd always did it); for
/// what is no number, another version is taken to be a newer one.
pub(super) fn is_newer(one: &str, other: &str) -> bool {
    match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one), Ok(other)) => one > other,
        _ => one != other,
    }
}
