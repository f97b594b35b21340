//! Taking a token apart. Nothing is judged here, and nothing that is read here can be believed yet.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::refused::Refused;

/// The largest token, in bytes. Those of CI systems have 1 to 2 KiB; one with 200 groups has about 8.
pub(super) const TOKEN_MAX_BYTES: usize = 16 << 10;

/// A token's parts (RFC 7519 in the compact form of RFC 7515).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Jwt<'a> {
    /// With what it is said to be signed, as it is written there.
    pub(super) algorithm: String,
    /// With which key it is said to be signed.
    pub(super) key_id: Option<String>,
    pub(super) claims: Map<String, Value>,
    /// What is signed: the first two parts as they came.
    pub(super) message: &'a str,
    /// The third part as it came.
    pub(super) signature: &'a str,
}

impl<'a> Jwt<'a> {
    /// `None` if it is not three parts of base64url with a JSON object in the first: then it is another kind of token.
    pub(super) fn parse(token: &'a str) -> Result<Option<Self>, Refused> {
        let Some((message, signature)) = token.rsplit_once('.') else { return Ok(None) };
        let Some((header, claims)) = message.split_once('.').filter(|(_, claims)| !claims.contains('.')) else { return Ok(None) };
        if token.len() > TOKEN_MAX_BYTES {
            return Err(Refused::TooLarge);
        }
        let (Some(header), Some(claims), Some(_)) = (decode(header), decode(claims), decode(signature)) else { return Ok(None) };
        let Ok(header) = serde_json::from_slice::<Map<String, Value>>(&header) else { return Ok(None) };
        let claims = serde_json::from_slice(&claims).map_err(|_| Refused::Malformed("its claims are no JSON object"))?;
        // RFC 7515, 4.1.11: whoever does not know an extension that is critical must refuse the token. We know none.
        if header.contains_key("crit") {
            return Err(Refused::Malformed("it has critical extensions"));
        }
        let text = |name: &str, wrong| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Refused::Malformed(wrong)),
        };
        let algorithm = text("alg", "its algorithm is no text")?.ok_or(Refused::Malformed("it names no algorithm"))?;
        Ok(Some(Self { algorithm, key_id: text("kid", "its key id is no text")?, claims, message, signature }))
    }
}

/// Whom a token says it is for; `None` if it says nothing of it, or is no JWT.
pub fn audiences(token: &str) -> Option<Vec<String>> {
    let jwt = Jwt::parse(token).ok()??;
    match jwt.claims.get("aud")? {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(several) => several.iter().map(|audience| audience.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A token of these parts with a signature that says nothing.
    pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", encode(header), encode(claims))
    }

    #[test]
    fn what_is_no_jwt_is_left_to_others() {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let (object, text) = (encode(r#"{"alg":"RS256"}"#), encode("text"));
        for other in [
            String::new(),
            "lsat_abc".to_owned(),
            "a.b".to_owned(),
            "..".to_owned(),
            format!("{text}.{object}.c2ln"),
            format!("{}.{object}.c2ln", encode("[]")),
            format!("{object}.{object}"),
            // Five parts are encrypted ones.
            format!("{object}.{object}.{object}.{object}.c2ln"),
            format!("{object}.{object}.c2ln."),
            format!(".{object}.{object}.c2ln"),
            format!("{object}.{object}.not base64"),
            format!("{object}=.{object}.c2ln"),
            "x".repeat(TOKEN_MAX_BYTES + 1),
        ] {
            assert_eq!(Jwt::parse(&other), Ok(None), "{other}");
        }
    }

    #[test]
    fn a_jwt_is_read_or_there_is_a_reason() {
        let token = unsigned(&json!({"alg": "RS256", "kid": "k", "typ": "JWT"}), &json!({"iss": "i"}));
        let jwt = Jwt::parse(&token).unwrap().unwrap();
        assert_eq!((jwt.algorithm.as_str(), jwt.key_id.as_deref(), &jwt.claims["iss"]), ("RS256", Some("k"), &json!("i")));
        assert_eq!(format!("{}.{}", jwt.message, jwt.signature), token);
        // `alg: none` comes without a signature.
        let bare = token.strip_suffix("c2ln").unwrap();
        assert_eq!(Jwt::parse(bare).unwrap().unwrap().signature, "");
        for (header, claims, why) in [
            (json!({}), json!({}), "it names no algorithm"),
            (json!({"alg": 1}), json!({}), "its algorithm is no text"),
            (json!({"alg": "RS256", "kid": 1}), json!({}), "its key id is no text"),
            (json!({"alg": "RS256", "crit": ["b64"], "b64": false}), json!({}), "it has critical extensions"),
            (json!({"alg": "RS256"}), json!([]), "its claims are no JSON object"),
        ] {
            assert_eq!(Jwt::parse(&unsigned(&header, &claims)), Err(Refused::Malformed(why)), "{header}");
        }
        let large = unsigned(&json!({"alg": "RS256"}), &json!({"a": "x".repeat(TOKEN_MAX_BYTES)}));
        assert_eq!(Jwt::parse(&large), Err(Refused::TooLarge));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), parts in proptest::collection::vec("[A-Za-z0-9_=-]{0,40}", 0..6)) {
            let _ = Jwt::parse(&text);
            let _ = Jwt::parse(&parts.join("."));
        }
    }
}
