//! Versions of a secret, and the rules by which an observation of Vault's metadata becomes one.
//!
//! Facts from KV v2: after a metadata deletion numbering restarts at 1, so a number alone names nothing; soft deletion changes
//! neither `current_version` nor `updated_time`, so the version's own fields decide; a `deletion_time` in the future is still live.
//! Where Vault has no numbers we count ([`Counted`]).

mod counted;
mod mark;

use std::fmt;
use std::num::NonZeroU64;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::revision::Seq;

pub use counted::Counted;
pub use mark::Mark;

/// Which life of a path: the metadata's `created_time`; [`Incarnation::COUNTED`] where Vault has no metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub DateTime<Utc>);

impl Incarnation {
    /// The one life of secrets whose versions we count ourselves.
    pub const COUNTED: Self = Self(DateTime::UNIX_EPOCH);
}

/// Vault's version number, or our own where it has none; from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionNumber(NonZeroU64);

impl VersionNumber {
    /// What counting begins with.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// `None` for 0, which is Vault's way to say that there is no version.
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one version of a secret; ordered as they came to be, unless the source was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VersionId {
    /// Which life of the path.
    pub incarnation: Incarnation,
    /// Its number in that life.
    pub number: VersionNumber,
}

/// A version with the time Vault made it, which a read of its data is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Which one.
    pub id: VersionId,
    /// The version's own `created_time`; of a static role its `last_vault_rotation`; of KV version 1 when it was first seen.
    pub created: DateTime<Utc>,
    /// What else tells it apart.
    #[serde(default, skip_serializing_if = "Mark::is_none")]
    pub mark: Mark,
}

/// What the metadata says of its current version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentVersion {
    /// Which one.
    pub version: Version,
    /// Vault's `deletion_time`, if any.
    pub deletion_time: Option<DateTime<Utc>>,
    /// Whether its data was destroyed.
    pub destroyed: bool,
}

/// What one look at a secret showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Metadata with a current version.
    Current(CurrentVersion),
    /// What there is to see where Vault has no numbers of versions.
    Counted(Counted),
    /// No metadata, or metadata without any version; no such role.
    Nothing,
}

/// When a look began, in an order without clocks: the watch lease's fencing token, then a counter of its holder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Began {
    /// The lease's fencing token.
    pub token: u64,
    /// Grows with every request under that token.
    pub ordinal: u64,
}

/// One look at one secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// When the request began.
    pub began: Began,
    /// The time at which a future `deletion_time` is judged.
    pub at: DateTime<Utc>,
    /// Whether it is the answer to a GET of this one path, made to confirm.
    pub confirmed: bool,
    /// What it showed.
    pub seen: Seen,
}

/// How a secret stands at its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SecretState {
    /// Not looked at since some binding uses it.
    Unseen,
    /// Its newest version can be read.
    Live,
    /// Its newest version is soft-deleted.
    Deleted,
    /// Its newest version's data was destroyed.
    Destroyed,
    /// No metadata: the path does not exist.
    Missing,
    /// The source shows an older history than it did: restored from a backup. Held at what was known.
    WentBack,
}

impl SecretState {
    /// Whether the source says, beyond doubt, that there is nothing to deliver.
    pub const fn is_gone(self) -> bool {
        match self {
            Self::Deleted | Self::Destroyed | Self::Missing => true,
            Self::Unseen | Self::Live | Self::WentBack => false,
        }
    }

    /// The word as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unseen => "Unseen",
            Self::Live => "Live",
            Self::Deleted => "Deleted",
            Self::Destroyed => "Destroyed",
            Self::Missing => "Missing",
            Self::WentBack => "WentBack",
        }
    }

    /// The state with that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Unseen, Self::Live, Self::Deleted, Self::Destroyed, Self::Missing, Self::WentBack]
            .into_iter()
            .find(|s| s.as_str() == word)
    }
}

/// What the registry knows of a secret's versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// When the last accepted look began.
    pub began: Began,
    /// The newest version seen, live or not.
    pub latest: Option<Version>,
    /// How the secret stands.
    pub state: SecretState,
    /// The newest version that was seen live since some binding uses it: what is delivered.
    pub chosen: Option<Version>,
    /// The changes that moved what is delivered.
    pub seqs: SecretSeqs,
}

/// Which changes last moved the parts of a secret that content depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SecretSeqs {
    /// When `chosen` moved.
    pub chosen: Seq,
    /// When `chosen` moved to another incarnation.
    pub incarnation: Seq,
    /// When the secret came to be gone, or ceased to be.
    pub presence: Seq,
}

impl Default for Known {
    fn default() -> Self {
        Self { began: Began::default(), latest: None, state: SecretState::Unseen, chosen: None, seqs: SecretSeqs::default() }
    }
}

/// What an observation means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its request began before that of the last accepted one: it may show an older state.
    Overtaken,
    /// Nothing new.
    Unchanged,
    /// It would take something away: look again at this one path before believing it.
    Confirm,
    /// Something changed.
    Changed(Change),
}

/// A change of a secret, to be recorded under the next seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The new state.
    pub state: SecretState,
    /// The new newest version, if it moved.
    pub latest: Option<Version>,
}

/// Decides what an observation means, given what is known.
pub fn observe(known: &Known, observation: &Observation) -> Verdict {
    if observation.began < known.began {
        return Verdict::Overtaken;
    }
    match observation.seen {
        Seen::Nothing => observe_nothing(known, observation),
        Seen::Current(current) => observe_current(known, observation, &current),
        Seen::Counted(counted) => {
            counted::observe(known, observation, counted).unwrap_or_else(|| observe_nothing(known, observation))
        }
    }
}

fn observe_nothing(known: &Known, observation: &Observation) -> Verdict {
    match known.state {
        SecretState::Missing => Verdict::Unchanged,
        _ if !observation.confirmed => Verdict::Confirm,
        _ => Verdict::Changed(Change { state: SecretState::Missing, latest: None }),
    }
}

fn observe_current(known: &Known, observation: &Observation, current: &CurrentVersion) -> Verdict {
    let state = state_of(current, observation.at);
    let Some(latest) = known.latest else {
        return Verdict::Changed(Change { state, latest: Some(current.version) });
    };
    let (seen, is_news) = (current.version, is_news(&current.version, &latest));
    if seen != latest && !is_news {
        return match known.state {
            SecretState::WentBack => Verdict::Unchanged,
            _ if !observation.confirmed => Verdict::Confirm,
            _ => Verdict::Changed(Change { state: SecretState::WentBack, latest: None }),
        };
    }
    if is_news {
        if seen.id < latest.id && !observation.confirmed {
            return Verdict::Confirm;
        }
        Verdict::Changed(Change { state, latest: Some(seen) })
    } else if known.state == state {
        Verdict::Unchanged
    } else {
        Verdict::Changed(Change { state, latest: None })
    }
}

/// Whether a version that is seen came after the newest one known.
///
/// Numbers tell within one life of the path: the same number made at another time is another version, and the source was restored. A
/// source that was restored to an earlier life can never get ahead of the later one by its numbers; there the version's own time tells
/// what was written after the restore. No other way out would do: deleting the path and making it anew looks like a deletion, which
/// bindings may follow.
fn is_news(seen: &Version, latest: &Version) -> bool {
    if seen.id.incarnation < latest.id.incarnation { seen.created > latest.created } else { seen.id > latest.id }
}

fn state_of(current: &CurrentVersion, at: DateTime<Utc>) -> SecretState {
    if current.destroyed {
        SecretState::Destroyed
    } else if current.deletion_time.is_some_and(|t| t <= at) {
        SecretState::Deleted
    } else {
        SecretState::Live
    }
}

impl Known {
    /// Records a change under `seq`.
    pub fn apply(&mut self, change: &Change, seq: Seq) {
        if self.state.is_gone() != change.state.is_gone() {
            self.seqs.presence = seq;
        }
        self.state = change.state;
        if let Some(latest) = change.latest {
            self.latest = Some(latest);
        }
        // What a rotation chose of a pair stays so, until a newer version of it comes.
        let is_settled = change.latest.is_none() && self.chosen.is_some_and(|chosen| chosen.mark.member().is_some());
        if self.state == SecretState::Live && self.chosen != self.latest && !is_settled {
            if self.chosen.map(|v| v.id.incarnation) != self.latest.map(|v| v.id.incarnation) {
                self.seqs.incarnation = seq;
            }
            self.chosen = self.latest;
            self.seqs.chosen = seq;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
