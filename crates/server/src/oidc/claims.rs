//! What a token says, judged by its issuer's configuration and the time.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Map, Value};

use super::Identity;
use super::refused::{Refused, quoted};
use crate::config::OidcIssuer;

/// How far the issuer's clock may be from ours, in seconds.
pub(super) const LEEWAY_S: i64 = 60;
/// The longest user name, in bytes: it is written into the history with each change.
pub(super) const USER_MAX_BYTES: usize = 256;

type Claims = Map<String, Value>;

/// Whom the token names as its issuer.
pub(super) fn issuer(claims: &Claims) -> Result<&str, Refused> {
    claim(claims, "iss")?.as_str().ok_or_else(|| bad("iss", "a string"))
}

/// Whom the token is for.
pub(super) fn audiences(claims: &Claims) -> Result<Vec<String>, Refused> {
    texts("aud", claim(claims, "aud")?)
}

/// Whom the token is about.
pub(super) fn subject(claims: &Claims) -> Result<&str, Refused> {
    claim(claims, "sub")?.as_str().ok_or_else(|| bad("sub", "a string"))
}

/// Until when it holds.
pub(super) fn expiry(claims: &Claims) -> Result<DateTime<Utc>, Refused> {
    time("exp", claim(claims, "exp")?)
}

/// From when on it holds, if it says so.
pub(super) fn not_before(claims: &Claims) -> Result<Option<DateTime<Utc>>, Refused> {
    claims.get("nbf").map(|not_before| time("nbf", not_before)).transpose()
}

/// Who the caller is, if the token is signed by its issuer.
pub(super) fn identity(claims: &Claims, issuer: &OidcIssuer, now: DateTime<Utc>) -> Result<Identity, Refused> {
    let aud = audiences(claims)?;
    let is_ours = |aud: &String| *aud == issuer.audience || issuer.client_id.as_ref() == Some(aud);
    if !aud.iter().any(is_ours) {
        let aud = aud.iter().take(5).map(|aud| quoted(aud)).collect();
        return Err(Refused::WrongAudience { issuer: issuer.name.clone(), aud, wanted: issuer.audience.clone() });
    }
    let leeway = Duration::seconds(LEEWAY_S);
    let expires_at = expiry(claims)?;
    if now - leeway >= expires_at {
        return Err(Refused::Expired { issuer: issuer.name.clone() });
    }
    if not_before(claims)?.is_some_and(|not_before| now + leeway < not_before) {
        return Err(Refused::NotYetValid { issuer: issuer.name.clone() });
    }
    let groups = match claims.get(&issuer.groups_claim) {
        None | Some(Value::Null) => Vec::new(),
        Some(groups) => texts(&issuer.groups_claim, groups)?,
    };
    let user = user(&issuer.username_claim, claim(claims, &issuer.username_claim)?)?;
    Ok(Identity { issuer: issuer.name.clone(), user, groups, expires_at })
}

fn claim<'a>(claims: &'a Claims, name: &str) -> Result<&'a Value, Refused> {
    claims.get(name).ok_or_else(|| Refused::MissingClaim { claim: name.to_owned() })
}

/// A string, or a list of them.
fn texts(name: &str, value: &Value) -> Result<Vec<String>, Refused> {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let texts: Option<Vec<String>> = match value {
        Value::Array(values) => values.iter().map(text).collect(),
        one => text(one).map(|text| vec![text]),
    };
    texts.ok_or_else(|| bad(name, "a string or a list of strings"))
}

/// Seconds since 1970, which may have a fraction (RFC 7519, NumericDate).
fn time(name: &str, value: &Value) -> Result<DateTime<Utc>, Refused> {
    // A fraction is cut off, and so is what no i64 can hold; chrono then refuses what is no time.
    #[expect(clippy::cast_possible_truncation, reason = "a time beyond i64 is refused below all the same")]
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
    seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0)).ok_or_else(|| bad(name, "a time in seconds since 1970"))
}

fn user(name: &str, value: &Value) -> Result<String, Refused> {
    let user = value.as_str().ok_or_else(|| bad(name, "a string"))?;
    if user.is_empty() || user.len() > USER_MAX_BYTES || user.chars().any(char::is_control) {
        return Err(bad(name, "a name of 1 to 256 bytes on one line"));
    }
    Ok(user.to_owned())
}

fn bad(claim: &str, wanted: &'static str) -> Refused {
    Refused::BadClaim { claim: claim.to_owned(), wanted }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn config() -> OidcIssuer {
        let config = json!({"name": "ci", "issuer": "https://i.example.com", "audience": "lockstep"});
        serde_json::from_value(config).unwrap()
    }

    fn judge(changes: &Value) -> Result<Identity, Refused> {
        let mut claims = json!({"iss": "https://i.example.com", "aud": "lockstep", "exp": NOW + 300, "sub": "job"});
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        // A claim that is null is taken away here.
        let claims: Claims = claims.as_object().unwrap().clone().into_iter().filter(|(_, value)| !value.is_null()).collect();
        identity(&claims, &config(), DateTime::from_timestamp(NOW, 0).unwrap())
    }

    #[test]
    fn a_good_token_says_who_and_in_which_groups() {
        let expires_at = DateTime::from_timestamp(NOW + 300, 0).unwrap();
        let want = |groups: &[&str]| Identity {
            issuer: "ci".to_owned(),
            user: "job".to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            expires_at,
        };
        for (changes, groups) in [
            (json!({}), &[][..]),
            (json!({"groups": "team-a"}), &["team-a"]),
            (json!({"groups": ["team-a", "team-b"]}), &["team-a", "team-b"]),
            (json!({"groups": []}), &[]),
            (json!({"aud": ["other", "lockstep"]}), &[]),
            (json!({"nbf": NOW - 1, "iat": NOW}), &[]),
            (json!({"exp": 1_700_000_300.7}), &[]),
        ] {
            assert_eq!(judge(&changes), Ok(want(groups)), "{changes}");
        }
    }

    #[test]
    fn a_token_is_for_the_audience_or_for_the_client_that_people_log_in_with() {
        let claims = json!({"aud": "cli", "exp": NOW + 300, "sub": "alice"});
        let now = DateTime::from_timestamp(NOW, 0).unwrap();
        let mut config = config();
        assert!(identity(claims.as_object().unwrap(), &config, now).is_err());
        config.client_id = Some("cli".to_owned());
        assert!(identity(claims.as_object().unwrap(), &config, now).is_ok());
    }

    #[test]
    fn what_is_missing_or_of_another_kind_is_named() {
        let missing = |claim: &str| Refused::MissingClaim { claim: claim.to_owned() };
        for (changes, want) in [
            (json!({"aud": null}), missing("aud")),
            (json!({"exp": null}), missing("exp")),
            (json!({"sub": null}), missing("sub")),
            (json!({"aud": 1}), bad("aud", "a string or a list of strings")),
            (json!({"aud": ["lockstep", 1]}), bad("aud", "a string or a list of strings")),
            (json!({"groups": {"a": 1}}), bad("groups", "a string or a list of strings")),
            (json!({"groups": ["a", null]}), bad("groups", "a string or a list of strings")),
            (json!({"exp": "tomorrow"}), bad("exp", "a time in seconds since 1970")),
            (json!({"exp": 1e300}), bad("exp", "a time in seconds since 1970")),
            (json!({"nbf": "today"}), bad("nbf", "a time in seconds since 1970")),
            (json!({"sub": 7}), bad("sub", "a string")),
            (json!({"sub": ""}), bad("sub", "a name of 1 to 256 bytes on one line")),
            (json!({"sub": "a\nb"}), bad("sub", "a name of 1 to 256 bytes on one line")),
            (json!({"sub": "x".repeat(257)}), bad("sub", "a name of 1 to 256 bytes on one line")),
        ] {
            assert_eq!(judge(&changes), Err(want), "{changes}");
        }
    }

    #[test]
    fn clocks_may_differ_by_a_minute_and_no_more() {
        let (expired, early) = (Refused::Expired { issuer: "ci".to_owned() }, Refused::NotYetValid { issuer: "ci".to_owned() });
        assert!(judge(&json!({"exp": NOW - LEEWAY_S + 1})).is_ok());
        assert_eq!(judge(&json!({"exp": NOW - LEEWAY_S})), Err(expired));
        assert!(judge(&json!({"nbf": NOW + LEEWAY_S})).is_ok());
        assert_eq!(judge(&json!({"nbf": NOW + LEEWAY_S + 1})), Err(early));
    }

    #[test]
    fn a_token_for_somebody_else_says_for_whom_and_quotes_nothing_endless() {
        let refused = judge(&json!({"aud": ["vault", "x".repeat(9_000)], "sub": "s3cret"})).unwrap_err().to_string();
        assert!(refused.starts_with("the token is for [\"vault\", \"xxx"), "{refused}");
        assert!(refused.ends_with("ask ci for one for \"lockstep\""), "{refused}");
        assert!(refused.len() < 400 && !refused.contains("s3cret"), "{refused}");
    }

    /// Any JSON, not deep.
    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| proptest::collection::vec(inner, 0..4).prop_map(Value::from))
    }

    proptest! {
        #[test]
        fn no_claims_make_it_panic(aud in json_value(), exp in json_value(), nbf in json_value(), sub in json_value(), groups in json_value()) {
            let claims = json!({"aud": aud, "exp": exp, "nbf": nbf, "sub": sub, "groups": groups, "iss": exp});
            let claims = claims.as_object().unwrap();
            let _ = issuer(claims);
            for now in [DateTime::<Utc>::UNIX_EPOCH, DateTime::from_timestamp(NOW, 0).unwrap()] {
                let _ = identity(claims, &config(), now);
            }
            let _ = judge(&json!({"exp": exp, "nbf": nbf, "sub": sub, "groups": groups}));
        }
    }
}
