//! How a new value is made.

use lockstep_core::recipe::{Alphabet, Random, Recipe as Checked, RsaBits};
use serde::{Deserialize, Serialize};

use crate::field::Mistakes;

/// The length and alphabet of a random value where nothing is said.
const DEFAULT_LENGTH: u32 = 32;
const DEFAULT_ALPHABET: &str = "alphanumeric";

/// How a value is made: exactly one of the four.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Recipe {
    /// Characters at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<RandomRecipe>,
    /// The name of a password policy of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// An Ed25519 private key, PKCS #8 in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ed25519: Option<KeyPairRecipe>,
    /// The same, of RSA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rsa: Option<KeyPairRecipe>,
}

/// Characters at random.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RandomRecipe {
    /// How many; 32 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// `alphanumeric` (default), `hex`, `base64url` or `ascii`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alphabet: Option<String>,
    /// The alphabet's characters, instead of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub characters: Option<String>,
}

/// A key pair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyPairRecipe {
    /// Of an RSA key: 2048, 3072 (default) or 4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<u32>,
    /// The key that gets the public key, SPKI in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

pub(super) fn check(wire: &Recipe, field: &str, mistakes: &mut Mistakes) -> Option<Checked> {
    match (&wire.random, &wire.policy, &wire.ed25519, &wire.rsa) {
        (Some(random), None, None, None) => {
            let alphabet = match (&random.alphabet, &random.characters) {
                (Some(_), Some(_)) => {
                    mistakes.add(format!("{field}.random"), "alphabet and characters: use one of them");
                    None
                }
                (None, Some(characters)) => {
                    mistakes.take(format!("{field}.random.characters"), Alphabet::of_characters(characters))
                }
                (name, None) => mistakes.parse(format!("{field}.random.alphabet"), name.as_deref().unwrap_or(DEFAULT_ALPHABET)),
            }?;
            let random = Random::new(random.length.unwrap_or(DEFAULT_LENGTH), alphabet);
            mistakes.take(format!("{field}.random"), random).map(Checked::Random)
        }
        (None, Some(policy), None, None) => Some(Checked::Policy { name: mistakes.parse(format!("{field}.policy"), policy)? }),
        (None, None, Some(pair), None) => {
            if pair.bits.is_some() {
                mistakes.add(format!("{field}.ed25519.bits"), "is of RSA keys only");
            }
            Some(Checked::Ed25519 { public_key: pair.public_key.clone() })
        }
        (None, None, None, Some(pair)) => {
            let bits = pair.bits.map_or(Ok(RsaBits::B3072), RsaBits::try_from);
            let bits = mistakes.take(format!("{field}.rsa.bits"), bits)?;
            Some(Checked::Rsa { bits, public_key: pair.public_key.clone() })
        }
        _ => {
            mistakes.add(field, "exactly one of random, policy, ed25519 and rsa is needed");
            None
        }
    }
}

impl From<&Checked> for Recipe {
    fn from(checked: &Checked) -> Self {
        let pair = |bits, public_key: &Option<String>| Some(KeyPairRecipe { bits, public_key: public_key.clone() });
        match checked {
            Checked::Random(random) => {
                let length = u32::try_from(random.length()).ok();
                let text = Some(random.alphabet().to_string());
                let (alphabet, characters) = match random.alphabet() {
                    Alphabet::Characters(_) => (None, text),
                    _ => (text, None),
                };
                Self { random: Some(RandomRecipe { length, alphabet, characters }), ..Self::default() }
            }
            Checked::Policy { name } => Self { policy: Some(name.to_string()), ..Self::default() },
            Checked::Ed25519 { public_key } => Self { ed25519: pair(None, public_key), ..Self::default() },
            Checked::Rsa { bits, public_key } => Self { rsa: pair(Some((*bits).into()), public_key), ..Self::default() },
        }
    }
}
