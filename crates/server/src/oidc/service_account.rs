//! Tokens of a cluster's service accounts, checked by the keys that were registered with the cluster: nobody is asked.

use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::Algorithm;
use lockstep_core::cluster::ServiceAccountIssuer;
use thiserror::Error;

use super::claims::{self, LEEWAY_S};
use super::jwt::Jwt;
use super::key::{self, Key, NoKey};
use super::refused::{Refused, quoted};

/// What Kubernetes signs with: RSA with SHA-256, or what goes with the curve.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384];
/// How long such a token may live at most, in hours. A projected one lives one; one that lives for years is not of the kubelet's.
const LIFE_MAX_H: i64 = 24;

/// Why a service account's token does not let its agent join.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotJoining {
    /// It is no token, or says nothing that could be checked.
    #[error(transparent)]
    Token(#[from] Refused),
    /// Another issuer than the cluster's.
    #[error("it is of issuer {0:?}, and not of the one that is registered with the cluster")]
    Issuer(String),
    /// Not for us, or not only.
    #[error("it is for {0:?}, and not just for the registered audience")]
    Audience(Vec<String>),
    /// Another account.
    #[error("it is of {0:?}, and not of the registered subject")]
    Subject(String),
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet: compare the clocks")]
    NotYetValid,
    /// It is good for too long.
    #[error("it lives longer than {LIFE_MAX_H} hours")]
    LivesTooLong,
    /// Signed with what no cluster signs with.
    #[error("it is signed with another algorithm than RS256, ES256 or ES384")]
    Algorithm,
    /// Signed with a key that is not registered.
    #[error("it is signed with a key that is not registered with the cluster: write the cluster's present JWK set")]
    Key,
    /// Not as any of the registered keys signs.
    #[error("its signature is not one of the registered keys")]
    Signature,
}

/// Whether a token looks like a JWT at all; join tokens do not.
pub fn is_jwt(token: &str) -> bool {
    !matches!(Jwt::parse(token), Ok(None))
}

/// Whether there is a key to check with.
pub fn is_usable(issuer: &ServiceAccountIssuer) -> bool {
    keys(issuer).iter().any(|key| ALGORITHMS.iter().any(|algorithm| key.fits(*algorithm)))
}

fn keys(issuer: &ServiceAccountIssuer) -> Vec<Key> {
    key::read(issuer.jwks.to_string().as_bytes()).unwrap_or_default()
}

/// When the token ends, if it is the registered account's, for us and nobody else, and signed by the cluster.
pub fn verify(token: &str, issuer: &ServiceAccountIssuer, now: DateTime<Utc>) -> Result<DateTime<Utc>, NotJoining> {
    let jwt = Jwt::parse(token)?.ok_or(Refused::Malformed("it is no JWT"))?;
    let iss = claims::issuer(&jwt.claims)?;
    if iss != issuer.issuer {
        return Err(NotJoining::Issuer(quoted(iss)));
    }
    let audiences = claims::audiences(&jwt.claims)?;
    if audiences != [issuer.audience.as_str()] {
        return Err(NotJoining::Audience(audiences.iter().take(5).map(|audience| quoted(audience)).collect()));
    }
    let subject = claims::subject(&jwt.claims)?;
    if subject != issuer.subject {
        return Err(NotJoining::Subject(quoted(subject)));
    }
    let (expires_at, leeway) = (claims::expiry(&jwt.claims)?, Duration::seconds(LEEWAY_S));
    // Without leeway: what follows from it is compared with Postgres' clock.
    if now >= expires_at {
        return Err(NotJoining::Expired);
    }
    if expires_at > now + Duration::hours(LIFE_MAX_H) {
        return Err(NotJoining::LivesTooLong);
    }
    if claims::not_before(&jwt.claims)?.is_some_and(|not_before| now + leeway < not_before) {
        return Err(NotJoining::NotYetValid);
    }
    let algorithm = jwt.algorithm.parse().ok().filter(|algorithm| ALGORITHMS.contains(algorithm)).ok_or(NotJoining::Algorithm)?;
    let keys = keys(issuer);
    let chosen = key::choose(&keys, jwt.key_id.as_deref(), algorithm).map_err(|why| match why {
        NoKey::Unknown | NoKey::NotNamed => NotJoining::Key,
        NoKey::Mismatch => NotJoining::Algorithm,
    })?;
    if chosen.into_iter().any(|key| key.signed(&jwt, algorithm)) { Ok(expires_at) } else { Err(NotJoining::Signature) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::key::tests::{pair, public, signed};
    use super::*;

    const SUBJECT: &str = "system:serviceaccount:lockstep:agent";

    #[test]
    fn only_the_registered_account_of_the_registered_issuer_joins() {
        let (own, other) = (pair(), pair());
        let issuer = ServiceAccountIssuer {
            issuer: "https://i".to_owned(),
            subject: SUBJECT.to_owned(),
            audience: "lockstep".to_owned(),
            jwks: json!({"keys": [public(&own, &json!({"kid": "1"}))]}),
        };
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let at = |seconds: i64| now.timestamp() + seconds;
        let claims = |changes: Value| {
            let mut claims = json!({"iss": "https://i", "sub": SUBJECT, "aud": ["lockstep"], "exp": at(600), "nbf": at(-1)});
            claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            claims
        };
        let header = json!({"alg": "ES256", "kid": "1"});
        let judge = |claims: Value| verify(&signed(&own, &header, &claims), &issuer, now);
        assert_eq!(judge(claims(json!({}))), Ok(now + Duration::seconds(600)));
        assert!(is_usable(&issuer) && is_jwt(&signed(&own, &header, &json!({}))) && !is_jwt("lsjt_0123"));
        for (changes, refused) in [
            (json!({"iss": "https://j"}), NotJoining::Issuer("https://j".to_owned())),
            (json!({"aud": ["vault"]}), NotJoining::Audience(vec!["vault".to_owned()])),
            (json!({"aud": ["lockstep", "vault"]}), NotJoining::Audience(vec!["lockstep".to_owned(), "vault".to_owned()])),
            (
                json!({"sub": "system:serviceaccount:default:x"}),
                NotJoining::Subject("system:serviceaccount:default:x".to_owned()),
            ),
            (json!({"exp": at(0)}), NotJoining::Expired),
            (json!({"exp": at(86_401)}), NotJoining::LivesTooLong),
            (json!({"nbf": at(61)}), NotJoining::NotYetValid),
            (
                json!({"exp": "soon"}),
                Refused::BadClaim { claim: "exp".to_owned(), wanted: "a time in seconds since 1970" }.into(),
            ),
        ] {
            assert_eq!(judge(claims(changes)), Err(refused));
        }
        let good = claims(json!({}));
        for (token, refused) in [
            (signed(&other, &header, &good), NotJoining::Signature),
            (signed(&own, &json!({"alg": "ES256", "kid": "2"}), &good), NotJoining::Key),
            (signed(&own, &json!({"alg": "RS256", "kid": "1"}), &good), NotJoining::Algorithm),
            (signed(&own, &json!({"alg": "none", "kid": "1"}), &good), NotJoining::Algorithm),
            (signed(&own, &json!({"alg": "HS256", "kid": "1"}), &good), NotJoining::Algorithm),
            ("lsjt_0123".to_owned(), Refused::Malformed("it is no JWT").into()),
        ] {
            assert_eq!(verify(&token, &issuer, now), Err(refused));
        }
    }
}
