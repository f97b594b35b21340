//! How a rotation makes a new value.

mod alphabet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::kv::KvPath;

pub use alphabet::{Alphabet, UnknownAlphabet};

/// The shortest and the longest random value, in characters.
pub const LENGTHS: std::ops::RangeInclusive<u32> = 12..=4096;
/// How hard a random value must be to guess, in bits.
pub const ENTROPY_MIN_BITS: u32 = 64;

/// How a value is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Recipe {
    /// Characters, each drawn by itself.
    Random(Random),
    /// By the source, after a password policy of its own.
    #[serde(rename_all = "camelCase")]
    Policy {
        /// The policy's name there.
        name: KvPath,
    },
    /// An Ed25519 key pair: the value is the private key, PKCS #8 in PEM.
    #[serde(rename_all = "camelCase")]
    Ed25519 {
        /// The key that gets the public key (SPKI in PEM); `None`: nobody keeps it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        public_key: Option<String>,
    },
    /// The same, of RSA.
    #[serde(rename_all = "camelCase")]
    Rsa {
        /// The modulus' size.
        bits: RsaBits,
        /// The key that gets the public key (SPKI in PEM); `None`: nobody keeps it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        public_key: Option<String>,
    },
}

impl Recipe {
    /// The key that gets a pair's public key.
    pub fn public_key(&self) -> Option<&str> {
        match self {
            Self::Ed25519 { public_key } | Self::Rsa { public_key, .. } => public_key.as_deref(),
            Self::Random(_) | Self::Policy { .. } => None,
        }
    }
}

/// A random text's length and alphabet, which together make it hard enough to guess.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Random {
    length: u32,
    alphabet: Alphabet,
}

impl Random {
    /// `length` characters of `alphabet`.
    pub fn new(length: u32, alphabet: Alphabet) -> Result<Self, RecipeError> {
        if !LENGTHS.contains(&length) {
            return Err(RecipeError::Length { length });
        }
        let bits_each = alphabet.bits_each();
        let bits = f64::from(length) * bits_each;
        let needed = f64::from(ENTROPY_MIN_BITS);
        if bits < needed {
            // Not more than 64, at one bit each.
            let enough = LENGTHS.into_iter().find(|length| f64::from(*length) * bits_each >= needed).unwrap_or(length);
            let of = alphabet.characters().len();
            return Err(RecipeError::Guessable { length, of, bits: bits.floor().to_string(), enough });
        }
        Ok(Self { length, alphabet })
    }

    /// How many characters.
    pub fn length(&self) -> usize {
        self.length as usize
    }

    /// Of which.
    pub fn alphabet(&self) -> &Alphabet {
        &self.alphabet
    }
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Fields {
    length: u32,
    alphabet: Alphabet,
}

impl TryFrom<Fields> for Random {
    type Error = RecipeError;
    fn try_from(Fields { length, alphabet }: Fields) -> Result<Self, RecipeError> {
        Self::new(length, alphabet)
    }
}

impl From<Random> for Fields {
    fn from(Random { length, alphabet }: Random) -> Self {
        Self { length, alphabet }
    }
}

/// An RSA modulus' size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum RsaBits {
    /// 2048.
    B2048,
    /// 3072.
    B3072,
    /// 4096.
    B4096,
}

impl TryFrom<u32> for RsaBits {
    type Error = RecipeError;
    fn try_from(bits: u32) -> Result<Self, RecipeError> {
        match bits {
            2048 => Ok(Self::B2048),
            3072 => Ok(Self::B3072),
            4096 => Ok(Self::B4096),
            bits => Err(RecipeError::RsaBits { bits }),
        }
    }
}

impl From<RsaBits> for u32 {
    fn from(bits: RsaBits) -> Self {
        match bits {
            RsaBits::B2048 => 2048,
            RsaBits::B3072 => 3072,
            RsaBits::B4096 => 4096,
        }
    }
}

/// Why no value is made so.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecipeError {
    /// Too short, or too long.
    #[error("a length of {length} is not allowed: {} to {} characters are", LENGTHS.start(), LENGTHS.end())]
    Length {
        /// What was wanted.
        length: u32,
    },
    /// Too easily guessed.
    #[error(
        "{length} characters out of {of} hold {bits} bits, and at least {ENTROPY_MIN_BITS} are needed: make it {enough} or more, or use a \
         larger alphabet"
    )]
    Guessable {
        /// What was wanted.
        length: u32,
        /// The alphabet's size.
        of: usize,
        /// What it holds, rounded down.
        bits: String,
        /// The shortest that would do.
        enough: u32,
    },
    /// Less than two characters.
    #[error("an alphabet of fewer than two characters leaves nothing to choose")]
    TooFew,
    /// One character twice: it would come twice as often.
    #[error("{0:?} is in the alphabet twice")]
    Twice(char),
    /// What breaks in shells, files and connection strings.
    #[error("{0:?} is not allowed in an alphabet: printable ASCII characters other than the space are")]
    Character(char),
    /// Another size.
    #[error("RSA keys of {bits} bits are not made: 2048, 3072 or 4096 are")]
    RsaBits {
        /// What was wanted.
        bits: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(length: u32, alphabet: &str) -> Result<Random, RecipeError> {
        let alphabet = alphabet.parse().or_else(|_| Alphabet::of_characters(alphabet))?;
        Random::new(length, alphabet)
    }

    #[test]
    fn what_can_be_guessed_or_is_no_alphabet_is_refused_with_what_would_do() {
        for (length, alphabet) in [(12, "alphanumeric"), (16, "hex"), (12, "base64url"), (12, "ascii"), (64, "01"), (4096, "!#")]
        {
            assert!(random(length, alphabet).is_ok(), "{length} {alphabet}");
        }
        for (length, alphabet, says) in [
            (11, "ascii", "a length of 11 is not allowed: 12 to 4096 characters are"),
            (4097, "ascii", "a length of 4097 is not allowed"),
            (12, "hex", "12 characters out of 16 hold 48 bits, and at least 64 are needed: make it 16 or more"),
            (63, "01", "make it 64 or more"),
            (32, "x", "fewer than two"),
            (32, "", "fewer than two"),
            (32, "aba", "'a' is in the alphabet twice"),
            (32, "a b", "' ' is not allowed"),
            (32, "aü", "'ü' is not allowed"),
            (32, "a\n", r"'\n' is not allowed"),
        ] {
            let error = random(length, alphabet).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_recipe_is_stored_readably_and_checked_when_it_is_read() {
        let text = |recipe: &Recipe| serde_json::to_string(recipe).unwrap();
        let public_key = || Some("id.pub".to_owned());
        for (recipe, json) in [
            (Recipe::Random(random(32, "base64url").unwrap()), r#"{"random":{"length":32,"alphabet":"base64url"}}"#),
            (Recipe::Random(random(64, "01").unwrap()), r#"{"random":{"length":64,"alphabet":{"characters":"01"}}}"#),
            (Recipe::Policy { name: "strong".parse().unwrap() }, r#"{"policy":{"name":"strong"}}"#),
            (Recipe::Ed25519 { public_key: None }, r#"{"ed25519":{}}"#),
            (Recipe::Rsa { bits: RsaBits::B3072, public_key: public_key() }, r#"{"rsa":{"bits":3072,"publicKey":"id.pub"}}"#),
        ] {
            assert_eq!(text(&recipe), json);
            assert_eq!(serde_json::from_str::<Recipe>(json).unwrap(), recipe);
        }
        for bad in [
            r#"{"random":{"length":12,"alphabet":"hex"}}"#,
            r#"{"random":{"length":99,"alphabet":"cyrillic"}}"#,
            r#"{"random":{"length":99,"alphabet":{"characters":"aa"}}}"#,
            r#"{"rsa":{"bits":1024}}"#,
            r#"{"policy":{"name":"../x"}}"#,
        ] {
            assert!(serde_json::from_str::<Recipe>(bad).is_err(), "{bad}");
        }
    }
}
