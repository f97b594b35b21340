//! Tokens that their issuer did not make.

use anyhow::{Context as _, Result};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lockstep_server::oidc::{Pace, Refused};
use serde_json::{Value, json};

use crate::fixture::{Idp, changed, judge, part};

#[tokio::test]
async fn what_the_issuer_did_not_sign_is_refused() -> Result<()> {
    let idp = Idp::shared().await?;
    idp.make_key("forged", "RS256").await?;
    let token = idp.token("forged").await?;
    let issuers = idp.issuers(Pace::default())?;
    judge(&issuers, &token).await?;

    let bad = || Err(Refused::BadSignature { issuer: "bao".to_owned() });
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature)?;
    bytes[17] ^= 1;
    let bits_changed = format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes));
    let none = json!({});
    let admin = json!({ "groups": ["admin"] });
    for (what, forged) in [
        ("a bit of the signature", bits_changed),
        ("no signature", format!("{message}.")),
        ("other claims", changed(&token, &none, &admin)),
        ("another header", changed(&token, &json!({ "typ": "at+jwt" }), &none)),
    ] {
        assert_eq!(judge(&issuers, &forged).await, bad(), "{what}");
    }

    let unknown = changed(&token, &json!({ "kid": "of nobody" }), &none);
    assert_eq!(judge(&issuers, &unknown).await, Err(Refused::UnknownKey { issuer: "bao".to_owned() }));
    // ES256 is accepted, but not of a key for RS256.
    let other = changed(&token, &json!({ "alg": "ES256" }), &none);
    assert_eq!(judge(&issuers, &other).await, Err(Refused::KeyMismatch));
    Ok(())
}

#[tokio::test]
async fn no_signature_and_one_made_with_the_public_key_as_a_secret_are_not_accepted() -> Result<()> {
    let idp = Idp::shared().await?;
    idp.make_key("confused", "RS256").await?;
    let token = idp.token("confused").await?;
    let issuers = idp.issuers(Pace::default())?;
    judge(&issuers, &token).await?;

    let refused = |result: &Result<_, Refused>| matches!(result, Err(Refused::AlgorithmNotAllowed { .. }));
    for name in ["none", "None", "NONE", ""] {
        let unsigned = changed(&token, &json!({ "alg": name }), &json!({}));
        let (message, _) = unsigned.rsplit_once('.').unwrap();
        for forged in [unsigned.clone(), format!("{message}.")] {
            assert!(refused(&judge(&issuers, &forged).await), "{name}");
        }
    }

    let published = idp.bao.request_as("", "GET", "identity/oidc/.well-known/keys", None).await?;
    let kid = part(&token, 0)["kid"].clone();
    let keys = published["keys"].as_array().context("no keys")?;
    let key = keys.iter().find(|key| key["kid"] == kid).context("its key is not published")?;
    let modulus = key["n"].as_str().context("no modulus")?;
    for secret in [key.to_string().into_bytes(), modulus.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(modulus)?] {
        for (name, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS512", hmac::HMAC_SHA512)] {
            let forged = changed(&token, &json!({ "alg": name }), &json!({ "groups": ["admin"] }));
            let (message, _) = forged.rsplit_once('.').unwrap();
            let signature = hmac::sign(&hmac::Key::new(algorithm, &secret), message.as_bytes());
            let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
            assert!(refused(&judge(&issuers, &forged).await), "{name}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn no_reason_quotes_the_token_or_what_it_says_of_the_person() -> Result<()> {
    let idp = Idp::shared().await?;
    idp.make_key("quoted", "RS256").await?;
    let token = idp.token("quoted").await?;
    let issuers = idp.issuers(Pace::default())?;
    let (none, wrong) = (json!({}), json!(["\u{7}"]));
    let with = |header: Value, claims: Value| changed(&token, &header, &claims);
    let parts = |token: &str| token.split('.').map(ToOwned::to_owned).collect::<Vec<_>>();
    for forged in [
        with(none.clone(), json!({ "exp": 1 })),
        with(none.clone(), json!({ "nbf": 9_999_999_999_i64 })),
        with(none.clone(), json!({ "aud": "other" })),
        with(none.clone(), json!({ "iss": "https://other.example.com" })),
        with(none.clone(), json!({ "sub": wrong })),
        with(none.clone(), json!({ "groups": { "a": 1 } })),
        with(json!({ "alg": "HS256" }), none.clone()),
        with(json!({ "kid": "of nobody" }), none.clone()),
        with(json!({ "kid": [] }), none.clone()),
        with(none.clone(), json!({ "jti": "x" })),
        with(none.clone(), json!({ "padding": "x".repeat(20_000) })),
    ] {
        let refused = judge(&issuers, &forged).await.unwrap_err();
        let said = format!("{refused} {refused:?}");
        for hidden in parts(&token).into_iter().chain(parts(&forged)).chain([idp.entity.clone(), idp.group.clone()]) {
            assert!(!said.contains(&hidden), "{said}");
        }
        assert!(!refused.is_ours() && said.len() < 1_000, "{said}");
    }
    Ok(())
}
