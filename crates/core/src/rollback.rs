//! Which version a binding goes back to.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::version::{Incarnation, VersionNumber};

/// Whether a version can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It can.
    Live,
    /// Soft-deleted.
    Deleted,
    /// Its data exist no more.
    Destroyed,
}

/// The versions that a source keeps of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// Their numbers count in this one.
    pub incarnation: Incarnation,
    /// Each with its fate.
    pub fates: BTreeMap<VersionNumber, Fate>,
}

/// Why there is nothing to go back to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RollbackError {
    /// No earlier one at all, or none that can be read.
    #[error("no version before {delivered} can be read at the source: write the old value there as a new version instead")]
    NoEarlier {
        /// What is delivered.
        delivered: VersionNumber,
    },
    /// Soft-deleted.
    #[error("version {0} is deleted at the source: undelete it there first, or choose another")]
    Deleted(VersionNumber),
    /// Its data exist no more.
    #[error("version {0} is destroyed at the source and its data exist no more: choose another")]
    Destroyed(VersionNumber),
    /// Never written, or dropped for its age.
    #[error("the source has no version {number}: it has {kept}")]
    Absent {
        /// What was wanted.
        number: VersionNumber,
        /// Those that it has, in words.
        kept: String,
    },
}

/// The version to go back to: `to`, or else the newest one before the one that is delivered. Only one that can be read.
pub fn choose(versions: &Versions, delivered: VersionNumber, to: Option<VersionNumber>) -> Result<VersionNumber, RollbackError> {
    let Some(number) = to else {
        let earlier = versions.fates.range(..delivered).rev().find(|(_, fate)| **fate == Fate::Live);
        return earlier.map(|(number, _)| *number).ok_or(RollbackError::NoEarlier { delivered });
    };
    match versions.fates.get(&number) {
        Some(Fate::Live) => Ok(number),
        Some(Fate::Deleted) => Err(RollbackError::Deleted(number)),
        Some(Fate::Destroyed) => Err(RollbackError::Destroyed(number)),
        None => Err(RollbackError::Absent { number, kept: kept(versions) }),
    }
}

fn kept(versions: &Versions) -> String {
    match (versions.fates.keys().next(), versions.fates.keys().next_back()) {
        (Some(oldest), Some(newest)) if oldest == newest => format!("{oldest} only"),
        (Some(oldest), Some(newest)) => format!("{oldest} to {newest}"),
        _ => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u64) -> VersionNumber {
        VersionNumber::new(number).unwrap()
    }

    #[test]
    fn it_goes_to_the_newest_live_version_before_or_to_the_one_asked_for_if_that_is_live() {
        use Fate::{Deleted, Destroyed, Live};
        let all = [(2, Live), (3, Destroyed), (4, Deleted), (5, Live), (6, Live)];
        for (fates, delivered, to, expected) in [
            (all.as_slice(), 6, None, "5"),
            (&all, 5, None, "2"),
            (&all, 2, None, "no version before 2"),
            (&all[..1], 2, None, "no version before 2"),
            (&[], 1, None, "no version before 1"),
            (&all, 6, Some(2), "2"),
            (&all, 2, Some(6), "6"),
            (&all, 6, Some(4), "version 4 is deleted"),
            (&all, 6, Some(3), "version 3 is destroyed"),
            (&all, 6, Some(1), "no version 1: it has 2 to 6"),
            (&all, 6, Some(7), "no version 7: it has 2 to 6"),
            (&all[..1], 2, Some(7), "it has 2 only"),
            (&[], 2, Some(7), "it has none"),
        ] {
            let fates = fates.iter().map(|(n, fate)| (number(*n), *fate)).collect();
            let versions = Versions { incarnation: Incarnation(chrono::DateTime::UNIX_EPOCH), fates };
            let chosen = choose(&versions, number(delivered), to.map(number));
            let told = chosen.map_or_else(|error| error.to_string(), |number| number.to_string());
            assert!(told == expected || (expected.len() > 1 && told.contains(expected)), "{told} is not {expected}");
        }
    }
}
