//! An issuer's public keys, and which of them may have signed a token.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::Value;

use super::jwt::Jwt;

/// The most keys that are kept of one issuer. Issuers publish two or three at a time.
pub(super) const KEYS_MAX: usize = 64;

/// A key that checks signatures.
pub(super) struct Key {
    jwk: Jwk,
    decoding: DecodingKey,
}

/// Why no key can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// There is none of that id; or, for a token that names none, none of its algorithm.
    Unknown,
    /// The key of that id is for another algorithm.
    Mismatch,
    /// The token names none, and there are several.
    NotNamed,
}

#[derive(Deserialize)]
struct KeySet {
    // Read one by one: a kind of key that is not known spoils no other.
    keys: Vec<Value>,
}

/// The keys of a JWK set (RFC 7517) that can check signatures; `None` if it is no such set.
pub(super) fn read(document: &[u8]) -> Option<Vec<Key>> {
    let set: KeySet = serde_json::from_slice(document).ok()?;
    let jwks = set.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    Some(jwks.filter_map(Key::new).take(KEYS_MAX).collect())
}

impl Key {
    /// `None` where the key is for something else.
    fn new(jwk: Jwk) -> Option<Self> {
        let common = &jwk.common;
        let for_signatures = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let is_public = !matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_));
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        (for_signatures && is_public).then_some(Self { jwk, decoding })
    }

    /// Whether the key signs with this algorithm: its kind and curve say so, and its own `alg`, where it has one.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm as A;
        let is_of_kind = match &self.jwk.algorithm {
            AlgorithmParameters::RSA(_) => {
                matches!(algorithm, A::RS256 | A::RS384 | A::RS512 | A::PS256 | A::PS384 | A::PS512)
            }
            AlgorithmParameters::EllipticCurve(key) => {
                matches!((algorithm, &key.curve), (A::ES256, EllipticCurve::P256) | (A::ES384, EllipticCurve::P384))
            }
            AlgorithmParameters::OctetKeyPair(key) => algorithm == A::EdDSA && key.curve == EllipticCurve::Ed25519,
            _ => false,
        };
        is_of_kind && self.jwk.common.key_algorithm.is_none_or(|own| own == KeyAlgorithm::from(algorithm))
    }

    /// Whether the token is as this key signed it.
    pub(super) fn signed(&self, jwt: &Jwt<'_>, algorithm: Algorithm) -> bool {
        crypto::verify(jwt.signature, jwt.message.as_bytes(), &self.decoding, algorithm).unwrap_or(false)
    }
}

/// The keys that may have signed a token; several only where an issuer gave several the same id.
pub(super) fn choose<'a>(keys: &'a [Key], id: Option<&str>, algorithm: Algorithm) -> Result<Vec<&'a Key>, NoKey> {
    let named: Vec<&Key> = keys.iter().filter(|key| id.is_none() || key.jwk.common.key_id.as_deref() == id).collect();
    let is_known = !named.is_empty();
    let fitting: Vec<&Key> = named.into_iter().filter(|key| key.fits(algorithm)).collect();
    match (id, fitting.len()) {
        (Some(_), 0) if is_known => Err(NoKey::Mismatch),
        (_, 0) => Err(NoKey::Unknown),
        (None, 2..) => Err(NoKey::NotNamed),
        _ => Ok(fitting),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::super::jwt::tests::unsigned;
    use super::*;

    pub(crate) fn pair() -> EcdsaKeyPair {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
    }

    pub(crate) fn public(pair: &EcdsaKeyPair, more: &Value) -> Value {
        let point = pair.public_key().as_ref();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])});
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jwk
    }

    pub(crate) fn keys(jwks: &[Value]) -> Vec<Key> {
        read(json!({ "keys": jwks }).to_string().as_bytes()).unwrap()
    }

    /// A key of this id, as good as any.
    pub(crate) fn key(id: &str) -> Value {
        public(&pair(), &json!({ "kid": id }))
    }

    pub(crate) fn signed(pair: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
        let token = unsigned(header, claims);
        let (message, _) = token.rsplit_once('.').unwrap();
        let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn what_a_key_signed_is_told_from_what_was_changed_or_signed_by_another() {
        let (own, other) = (pair(), pair());
        let [own_key, other_key] = [&own, &other].map(|pair| keys(&[public(pair, &json!({}))]).remove(0));
        let header = json!({"alg": "ES256"});
        let token = signed(&own, &header, &json!({"sub": "a"}));
        let jwt = Jwt::parse(&token).unwrap().unwrap();
        assert!(own_key.signed(&jwt, Algorithm::ES256));
        assert!(!other_key.signed(&jwt, Algorithm::ES256) && !own_key.signed(&jwt, Algorithm::RS256));
        let claims_changed = unsigned(&header, &json!({"sub": "b"})).replace("c2ln", jwt.signature);
        assert!(!own_key.signed(&Jwt::parse(&claims_changed).unwrap().unwrap(), Algorithm::ES256));
        for signature in ["", "c2ln"] {
            assert!(!own_key.signed(&Jwt { signature, ..jwt.clone() }, Algorithm::ES256), "{signature:?}");
        }
    }

    #[test]
    fn an_algorithm_fits_the_keys_kind_its_curve_and_what_it_says_of_itself() {
        use Algorithm as A;
        let rsa = |more: Value| {
            let mut jwk = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
            jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            jwk
        };
        let ec = |curve: &str| json!({"kty": "EC", "crv": curve, "x": "AQAB", "y": "AQAB"});
        let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": "AQAB"});
        for (jwk, fits) in [
            (rsa(json!({})), &[A::RS256, A::RS384, A::RS512, A::PS256, A::PS384, A::PS512][..]),
            (rsa(json!({"alg": "RS256"})), &[A::RS256]),
            (rsa(json!({"alg": "RSA-OAEP"})), &[]),
            (rsa(json!({"alg": "ES256"})), &[]),
            (rsa(json!({"alg": "of tomorrow"})), &[]),
            (ec("P-256"), &[A::ES256]),
            (ec("P-384"), &[A::ES384]),
            (ec("P-521"), &[]),
            (ed, &[A::EdDSA]),
        ] {
            let key = keys(std::slice::from_ref(&jwk)).remove(0);
            let all = [A::RS256, A::RS384, A::RS512, A::PS256, A::PS384, A::PS512, A::ES256, A::ES384, A::EdDSA];
            let symmetric = [A::HS256, A::HS384, A::HS512];
            let found: Vec<Algorithm> = all.into_iter().chain(symmetric).filter(|algorithm| key.fits(*algorithm)).collect();
            assert_eq!(found, fits, "{jwk}");
        }
    }

    #[test]
    fn keys_for_other_uses_and_of_other_kinds_are_passed_over_and_spoil_no_other() {
        let good = key("good");
        let with = |more: Value| public(&pair(), &more);
        let others = [
            with(json!({"kid": "enc", "use": "enc"})),
            with(json!({"kid": "ops", "key_ops": ["encrypt"]})),
            json!({"kty": "oct", "kid": "secret", "k": "AQAB"}),
            json!({"kty": "AKP", "kid": "of tomorrow", "pub": "AQAB"}),
            json!({"kty": "RSA", "kid": "half", "n": "AQAB"}),
            json!({"kty": "RSA", "kid": "broken", "n": "not base64", "e": "AQAB"}),
            json!("text"),
            json!(null),
            good.clone(),
        ];
        let found = keys(&others);
        let ids: Vec<_> = found.iter().map(|key| key.jwk.common.key_id.as_deref()).collect();
        assert_eq!(ids, [Some("good")]);
        assert_eq!(keys(&vec![good; KEYS_MAX + 1]).len(), KEYS_MAX);
        for no_set in ["", "[]", "{}", r#"{"keys": {}}"#, "<html>"] {
            assert!(read(no_set.as_bytes()).is_none(), "{no_set}");
        }
    }

    #[test]
    fn the_token_names_its_key_or_there_is_but_one() {
        let both = keys(&[key("a"), key("b")]);
        let count = |keys: &[Key], id, algorithm| choose(keys, id, algorithm).map(|found| found.len());
        assert_eq!(count(&both, Some("a"), Algorithm::ES256), Ok(1));
        assert_eq!(count(&both, Some("c"), Algorithm::ES256), Err(NoKey::Unknown));
        assert_eq!(count(&both, Some("a"), Algorithm::RS256), Err(NoKey::Mismatch));
        assert_eq!(count(&both, None, Algorithm::ES256), Err(NoKey::NotNamed));
        assert_eq!(count(&both, None, Algorithm::RS256), Err(NoKey::Unknown));
        assert_eq!(count(&both[..1], None, Algorithm::ES256), Ok(1));
        assert_eq!(count(&[], None, Algorithm::ES256), Err(NoKey::Unknown));
        // Nobody should, but RFC 7517 does not forbid it.
        assert_eq!(count(&keys(&[key("a"), key("a")]), Some("a"), Algorithm::ES256), Ok(2));
    }
}
