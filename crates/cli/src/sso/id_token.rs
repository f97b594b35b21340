//! The ID token that an issuer gave (OpenID Connect Core, 3.1.3.7). It came over TLS from the issuer itself, so that its signature need not
//! be checked here; the server checks it.

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use lockstep_api::login::OidcLogin;
use serde::Deserialize;

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: f64,
    nonce: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Whether it is the answer to this login: for this client, of this issuer, with this nonce, and not over.
pub(super) fn check(token: &str, method: &OidcLogin, nonce: &str, now: DateTime<Utc>) -> anyhow::Result<()> {
    let claims = token.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    // The parser's own error could quote the token.
    let claims = claims.and_then(|claims| serde_json::from_slice::<Claims>(&claims).ok()).context("is no ID token")?;
    ensure!(claims.nonce.as_deref() == Some(nonce), "was made for another login (its nonce differs): try again");
    ensure!(claims.iss == method.issuer, "is one of another issuer, {:?}", claims.iss);
    let is_ours = match &claims.aud {
        Audience::One(aud) => *aud == method.client_id,
        Audience::Several(all) => all.contains(&method.client_id),
    };
    ensure!(is_ours, "is for another client than {:?}", method.client_id);
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit in an f64")]
    let is_over = claims.exp <= now.timestamp() as f64;
    ensure!(!is_over, "has expired already: compare this machine's clock with the issuer's");
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn judge(changes: &Value) -> Result<(), String> {
        let mut claims = json!({"iss": "https://i.example.com", "aud": "cli", "exp": 2_000, "nonce": "n", "sub": "s3cret"});
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let method = OidcLogin {
            name: "i".to_owned(),
            issuer: "https://i.example.com".to_owned(),
            client_id: "cli".to_owned(),
            scopes: Vec::new(),
        };
        let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let now = DateTime::from_timestamp(1_000, 0).unwrap();
        check(&token, &method, "n", now).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn only_the_answer_to_this_login_is_taken() {
        for good in [json!({}), json!({"aud": ["other", "cli"]}), json!({"exp": 1_000.5})] {
            assert_eq!(judge(&good), Ok(()), "{good}");
        }
        for (changes, sentence) in [
            (json!({"nonce": "m"}), "was made for another login"),
            (json!({"nonce": null}), "was made for another login"),
            (json!({"iss": "https://j.example.com"}), "is one of another issuer, \"https://j.example.com\""),
            (json!({"aud": "other"}), "is for another client than \"cli\""),
            (json!({"aud": []}), "is for another client"),
            (json!({"exp": 1_000}), "has expired already"),
            (json!({"exp": "s3cret"}), "is no ID token"),
            (json!({"aud": {"s3cret": 1}}), "is no ID token"),
        ] {
            let error = judge(&changes).unwrap_err();
            assert!(error.contains(sentence) && !error.contains("s3cret"), "{error}");
        }
    }
}
