//! What tells a version apart where Vault has no number for it.

use serde::{Deserialize, Serialize};

use crate::engine::Member;

/// Belongs to a version that we count ourselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mark {
    /// Its number and time say enough.
    #[default]
    None,
    /// A keyed fingerprint of what KV version 1 held.
    Fingerprint([u8; 16]),
    /// Which role of a pair it is of.
    Member(Member),
}

impl Mark {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Which role of a pair it is of.
    pub const fn member(self) -> Option<Member> {
        match self {
            Self::Member(member) => Some(member),
            Self::None | Self::Fingerprint(_) => None,
        }
    }

    /// The text as stored; `None` where there is no mark.
    pub fn to_text(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Fingerprint(bytes) => Some(hex::encode(bytes)),
            Self::Member(Member::First) => Some("First".to_owned()),
            Self::Member(Member::Second) => Some("Second".to_owned()),
        }
    }

    /// The mark with that text.
    pub fn from_text(text: &str) -> Option<Self> {
        match text {
            "First" => return Some(Self::Member(Member::First)),
            "Second" => return Some(Self::Member(Member::Second)),
            _ => {}
        }
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok().map(|()| Self::Fingerprint(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_stored() {
        let fingerprint = Mark::Fingerprint(std::array::from_fn(|i| u8::try_from(i * 16).unwrap()));
        for mark in [Mark::Member(Member::First), Mark::Member(Member::Second), fingerprint] {
            assert_eq!(Mark::from_text(&mark.to_text().unwrap()), Some(mark));
        }
        assert_eq!(Mark::None.to_text(), None);
        for bad in ["", "first", "00", &"g".repeat(32), &"ü".repeat(16)] {
            assert_eq!(Mark::from_text(bad), None, "{bad}");
        }
    }
}
