//! What a secret is drawn from: which engine of a source, and what a path means there.

use serde::{Deserialize, Serialize};

use crate::kv::KvPath;

/// Joins the two roles of a pair in a [`KvPath`]. No role's name has it.
const BETWEEN_ROLES: char = ',';

/// The engine that a secret is drawn from, and in which shape.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Engine {
    /// KV version 2: Vault counts the versions.
    #[default]
    KvV2,
    /// KV version 1: there is one value, and nothing says when it was written.
    KvV1,
    /// A static role of a database engine: its path is the role's name.
    StaticRole,
    /// Two static roles of one database engine, of which one is delivered: its path is `first,second`.
    RolePair,
}

/// Which role of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Member {
    /// The one written first; delivered until a rotation says otherwise.
    First,
    /// The other.
    Second,
}

impl Member {
    /// The other one of the pair.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

impl Engine {
    /// All, in the order in which people are told of them.
    pub const ALL: [Self; 4] = [Self::KvV2, Self::KvV1, Self::StaticRole, Self::RolePair];

    /// The word as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KvV2 => "KvV2",
            Self::KvV1 => "KvV1",
            Self::StaticRole => "StaticRole",
            Self::RolePair => "RolePair",
        }
    }

    /// The engine with that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.as_str() == word)
    }

    /// Whether it is what a secret is drawn from where nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether its versions have numbers of Vault's, so that one can be asked for. Elsewhere we count what was seen, and only the newest can
    /// be read.
    pub const fn numbers_versions(self) -> bool {
        match self {
            Self::KvV2 => true,
            Self::KvV1 | Self::StaticRole | Self::RolePair => false,
        }
    }
}

/// Whether the text can be a static role's name here.
pub fn is_role_name(name: &KvPath) -> bool {
    !name.as_str().contains([BETWEEN_ROLES, '/'])
}

/// The path of a pair of roles, in this order; `None` if one cannot be a role's name, or both are the same.
pub fn pair(first: &KvPath, second: &KvPath) -> Option<KvPath> {
    let fit = is_role_name(first) && is_role_name(second) && first != second;
    fit.then(|| format!("{first}{BETWEEN_ROLES}{second}").parse().ok()).flatten()
}

/// The roles of a pair's path.
pub fn members(path: &KvPath) -> Option<(KvPath, KvPath)> {
    let (first, second) = path.as_str().split_once(BETWEEN_ROLES)?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

/// The role of a pair's path that is this member.
pub fn member(path: &KvPath, which: Member) -> Option<KvPath> {
    members(path).map(|(first, second)| match which {
        Member::First => first,
        Member::Second => second,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> KvPath {
        text.parse().unwrap()
    }

    #[test]
    fn a_pair_is_two_roles_in_the_order_written() {
        let joined = pair(&path("app_a"), &path("app_b")).unwrap();
        assert_eq!(joined.as_str(), "app_a,app_b");
        assert_eq!(members(&joined), Some((path("app_a"), path("app_b"))));
        assert_eq!(member(&joined, Member::First.other()), Some(path("app_b")));
        for (first, second) in [("a", "a"), ("a,b", "c"), ("a", "b/c")] {
            assert_eq!(pair(&path(first), &path(second)), None, "{first} {second}");
        }
        assert_eq!(members(&path("a")), None);
    }

    #[test]
    fn every_engine_has_a_word_of_its_own() {
        for engine in Engine::ALL {
            assert_eq!(Engine::from_word(engine.as_str()), Some(engine));
        }
        assert_eq!(Engine::from_word("Kv"), None);
    }
}
