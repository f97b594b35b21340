//! Making a new value after a recipe.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{rand, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lockstep_core::material::Material;
use lockstep_core::recipe::{Random, Recipe, RsaBits};
use lockstep_vault::{Vault, VaultError};
use thiserror::Error;
use zeroize::Zeroizing;

const PEM_LINE_BYTES: usize = 64;

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The new value; of a key pair the private key, PKCS #8 in PEM.
    pub value: Material,
    /// A key pair's public key, SPKI in PEM.
    pub public: Option<Material>,
}

/// Why nothing was made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MakingError {
    /// The source makes it, and did not.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The system gave no random bytes, or no key.
    #[error("the system made no random value: try again, and look at its log if that stays so")]
    System,
}

/// Makes a value after `recipe`; `source` is asked where it has the policy.
pub async fn make(recipe: &Recipe, source: &Vault) -> Result<Made, MakingError> {
    let alone = |value| Made { value, public: None };
    match recipe {
        Recipe::Random(random) => drawn(random, |bytes| rand::fill(bytes).map_err(|_| MakingError::System)).map(alone),
        Recipe::Policy { name } => Ok(alone(source.generate_password(name).await?)),
        Recipe::Ed25519 { .. } => ed25519(),
        Recipe::Rsa { bits, .. } => {
            let bits = *bits;
            // Seconds, for the longest.
            tokio::task::spawn_blocking(move || rsa(bits)).await.unwrap_or(Err(MakingError::System))
        }
    }
}

/// Draws each character by itself. A byte that is past the last whole round of the alphabet is thrown away: the first characters would
/// come more often otherwise.
fn drawn<E>(random: &Random, mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Material, E> {
    let characters = random.alphabet().characters();
    let usable = 256 / characters.len() * characters.len();
    let mut value = Zeroizing::new(Vec::with_capacity(random.length()));
    let mut bytes = Zeroizing::new([0_u8; 256]);
    while value.len() < random.length() {
        fill(&mut *bytes)?;
        let chosen = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < usable);
        let missing = random.length() - value.len();
        value.extend(chosen.map(|byte| characters[byte % characters.len()]).take(missing));
    }
    Ok(Material::new(std::mem::take(&mut *value)))
}

fn ed25519() -> Result<Made, MakingError> {
    let failed = |_| MakingError::System;
    let pair = Ed25519KeyPair::generate().map_err(failed)?;
    // Version 1: OpenSSL up to 1.1 reads no other.
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
    Ok(pair_of(private.as_ref(), public.as_ref()))
}

fn rsa(bits: RsaBits) -> Result<Made, MakingError> {
    let failed = |_| MakingError::System;
    let size = match bits {
        RsaBits::B2048 => KeySize::Rsa2048,
        RsaBits::B3072 => KeySize::Rsa3072,
        RsaBits::B4096 => KeySize::Rsa4096,
    };
    let pair = rsa::KeyPair::generate(size).map_err(failed)?;
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
    Ok(pair_of(private.as_ref(), public.as_ref()))
}

fn pair_of(private_der: &[u8], public_der: &[u8]) -> Made {
    Made { value: pem("PRIVATE KEY", private_der), public: Some(pem("PUBLIC KEY", public_der)) }
}

/// In buffers that never grow and are wiped.
fn pem(label: &str, der: &[u8]) -> Material {
    let text = Zeroizing::new(BASE64.encode(der));
    let mut pem = Vec::with_capacity(text.len() + text.len() / PEM_LINE_BYTES + 2 * label.len() + 64);
    pem.extend_from_slice(format!("-----BEGIN {label}-----\n").as_bytes());
    for line in text.as_bytes().chunks(PEM_LINE_BYTES) {
        pem.extend_from_slice(line);
        pem.push(b'\n');
    }
    pem.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
    Material::new(pem)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    use lockstep_core::recipe::Alphabet;
    use proptest::prelude::*;
    use rcgen::PublicKeyData as _;

    use super::*;

    fn of_system(random: &Random) -> Vec<u8> {
        drawn(random, rand::fill).unwrap().expose().to_vec()
    }

    proptest! {
        #[test]
        fn a_value_has_its_length_and_nothing_but_its_alphabet(length in 64_u32..=4096, characters in "[!-~]{2,94}") {
            let characters: String = characters.chars().collect::<BTreeSet<_>>().into_iter().collect();
            prop_assume!(characters.len() > 1);
            let random = Random::new(length, Alphabet::of_characters(&characters).unwrap()).unwrap();
            let value = of_system(&random);
            prop_assert_eq!(value.len(), random.length());
            prop_assert!(value.iter().all(|byte| characters.as_bytes().contains(byte)));
        }
    }

    #[test]
    fn every_byte_that_is_used_stands_for_one_character_as_often_as_for_any_other() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        for name in ["alphanumeric", "hex", "base64url", "ascii"] {
            let random = Random::new(4096, name.parse().unwrap()).unwrap();
            let every = |bytes: &mut [u8]| {
                bytes.copy_from_slice(&all);
                Ok::<_, Infallible>(())
            };
            let value = drawn(&random, every).unwrap();
            let characters = random.alphabet().characters();
            let each_as_often = characters.repeat(256 / characters.len());
            assert!(value.expose().chunks(each_as_often.len()).all(|chunk| each_as_often.starts_with(chunk)), "{name}");
        }
    }

    #[test]
    fn no_two_values_are_alike_and_every_character_comes() {
        let random = Random::new(4096, Alphabet::Ascii).unwrap();
        let (one, two) = (of_system(&random), of_system(&random));
        assert_ne!(one, two);
        // That one of 94 is missing among 8,192 drawn has a chance of 10^-36.
        assert_eq!(one.into_iter().chain(two).collect::<BTreeSet<_>>().len(), 94);
    }

    #[test]
    fn a_pairs_public_key_is_that_of_its_private_key_and_both_are_pem() {
        let made = [ed25519().unwrap(), rsa(RsaBits::B2048).unwrap(), rsa(RsaBits::B4096).unwrap()];
        for Made { value, public } in made {
            let private = rcgen::KeyPair::from_pem(std::str::from_utf8(value.expose()).unwrap()).unwrap();
            let public = x509_parser::pem::parse_x509_pem(public.unwrap().expose()).unwrap().1;
            assert_eq!(public.label, "PUBLIC KEY");
            assert_eq!(public.contents, private.subject_public_key_info());
            let text = value.expose();
            assert!(text.split(|byte| *byte == b'\n').all(|line| line.len() <= PEM_LINE_BYTES), "lines of PEM");
        }
        assert_ne!(ed25519().unwrap(), ed25519().unwrap());
    }
}
