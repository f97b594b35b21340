//! What random values are drawn from.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::RecipeError;

/// The characters of a random value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alphabet {
    /// Letters and digits.
    Alphanumeric,
    /// Digits and `a` to `f`.
    Hex,
    /// Letters, digits, `-` and `_`.
    Base64Url,
    /// All printable ASCII characters other than the space.
    Ascii,
    /// These.
    Characters(Characters),
}

/// Some printable ASCII characters, each once, at least two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Characters(String);

/// A name of no alphabet.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no such alphabet: use alphanumeric, hex, base64url or ascii, or name the characters themselves")]
pub struct UnknownAlphabet;

const ALPHANUMERIC: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &str = "0123456789abcdef";
const BASE64_URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const ASCII: &str = "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

impl Alphabet {
    /// Exactly these characters.
    pub fn of_characters(characters: &str) -> Result<Self, RecipeError> {
        characters.to_owned().try_into().map(Self::Characters)
    }

    /// The characters, all of them ASCII and different.
    pub fn characters(&self) -> &[u8] {
        match self {
            Self::Alphanumeric => ALPHANUMERIC,
            Self::Hex => HEX,
            Self::Base64Url => BASE64_URL,
            Self::Ascii => ASCII,
            Self::Characters(characters) => &characters.0,
        }
        .as_bytes()
    }

    /// How many bits a character holds.
    pub(super) fn bits_each(&self) -> f64 {
        // At most 94.
        u32::try_from(self.characters().len()).map_or(0.0, |many| f64::from(many).log2())
    }
}

impl FromStr for Alphabet {
    type Err = UnknownAlphabet;

    /// By its name.
    fn from_str(name: &str) -> Result<Self, UnknownAlphabet> {
        Ok(match name {
            "alphanumeric" => Self::Alphanumeric,
            "hex" => Self::Hex,
            "base64url" => Self::Base64Url,
            "ascii" => Self::Ascii,
            _ => return Err(UnknownAlphabet),
        })
    }
}

impl fmt::Display for Alphabet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alphanumeric => "alphanumeric",
            Self::Hex => "hex",
            Self::Base64Url => "base64url",
            Self::Ascii => "ascii",
            Self::Characters(characters) => &characters.0,
        })
    }
}

impl TryFrom<String> for Characters {
    type Error = RecipeError;

    fn try_from(text: String) -> Result<Self, RecipeError> {
        let mut seen = BTreeSet::new();
        for character in text.chars() {
            if !character.is_ascii_graphic() {
                return Err(RecipeError::Character(character));
            }
            if !seen.insert(character) {
                return Err(RecipeError::Twice(character));
            }
        }
        if seen.len() < 2 { Err(RecipeError::TooFew) } else { Ok(Self(text)) }
    }
}

impl From<Characters> for String {
    fn from(characters: Characters) -> Self {
        characters.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_sets_have_what_their_names_say() {
        let set = |name: &str| name.parse::<Alphabet>().unwrap().characters().to_vec();
        let expected = |is: fn(&u8) -> bool| (0..=u8::MAX).filter(is).collect::<BTreeSet<_>>();
        for (name, is) in [
            ("alphanumeric", u8::is_ascii_alphanumeric as fn(&u8) -> bool),
            ("hex", |c: &u8| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()),
            ("base64url", |c: &u8| c.is_ascii_alphanumeric() || b"-_".contains(c)),
            ("ascii", u8::is_ascii_graphic),
        ] {
            let (set, expected) = (set(name), expected(is));
            assert_eq!(set.len(), expected.len(), "{name}");
            assert_eq!(BTreeSet::from_iter(set), expected, "{name}");
        }
    }
}
