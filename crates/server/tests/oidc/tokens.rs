//! Tokens as their issuer made them.

use anyhow::Result;
use chrono::Duration;
use lockstep_server::clock;
use lockstep_server::oidc::{Identity, Issuers, Pace, Refused};
use serde_json::json;

use crate::fixture::{AUDIENCE, Idp, TTL_S, config, judge, part};

#[tokio::test]
async fn a_token_of_a_real_issuer_says_who_shows_it_with_each_algorithm() -> Result<()> {
    let idp = Idp::shared().await?;
    for algorithm in ["RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA"] {
        let issuers = Issuers::new(&[idp.config(&json!({ "algorithms": [algorithm] }))])?;
        idp.make_key(algorithm, algorithm).await?;
        let token = idp.token(algorithm).await?;
        assert_eq!(part(&token, 0)["alg"], algorithm);
        let identity = judge(&issuers, &token).await?;
        let expires_at = part(&token, 1)["exp"].as_i64().unwrap();
        assert_eq!(identity.expires_at.timestamp(), expires_at);
        assert!((expires_at - clock::now().timestamp() - TTL_S).abs() < 60, "{expires_at}");
        let want = Identity {
            issuer: "bao".to_owned(),
            user: idp.entity.clone(),
            groups: vec![idp.group.clone()],
            expires_at: identity.expires_at,
        };
        assert_eq!(identity, want, "{algorithm}");
    }
    Ok(())
}

#[tokio::test]
async fn the_configuration_says_which_claims_tell_the_user_and_the_groups() -> Result<()> {
    let idp = Idp::shared().await?;
    idp.make_key("claims", "RS256").await?;
    let token = idp.token("claims").await?;
    let named = Issuers::new(&[idp.config(&json!({ "usernameClaim": "nickname", "groupsClaim": "aud" }))])?;
    let identity = judge(&named, &token).await?;
    assert_eq!(identity.user, part(&token, 1)["nickname"].as_str().unwrap());
    assert_eq!(identity.groups, [AUDIENCE]);
    let without = Issuers::new(&[idp.config(&json!({ "usernameClaim": "email", "groupsClaim": "roles" }))])?;
    assert_eq!(judge(&without, &token).await, Err(Refused::MissingClaim { claim: "email".to_owned() }));
    Ok(())
}

#[tokio::test]
async fn a_token_for_others_of_others_or_of_another_time_is_refused_with_the_reason() -> Result<()> {
    let idp = Idp::shared().await?;
    idp.make_key("plain", "RS256").await?;
    let token = idp.token("plain").await?;
    let issuer = || "bao".to_owned();

    let other = Issuers::new(&[idp.config(&json!({ "audience": "vault" }))])?;
    let want = Refused::WrongAudience { issuer: issuer(), aud: vec![AUDIENCE.to_owned()], wanted: "vault".to_owned() };
    assert_eq!(judge(&other, &token).await, Err(want));

    let strangers = Issuers::new(&[config("https://issuer.example.com", &json!({}))])?;
    for issuers in [&strangers, &Issuers::new(&[])?] {
        assert_eq!(judge(issuers, &token).await, Err(Refused::UnknownIssuer { iss: idp.issuer.clone() }));
    }

    let pinned = Issuers::new(&[idp.config(&json!({ "algorithms": ["ES256", "EdDSA"] }))])?;
    assert!(matches!(judge(&pinned, &token).await, Err(Refused::AlgorithmNotAllowed { .. })));

    let issuers = idp.issuers(Pace::default())?;
    let at = async |seconds| issuers.verify(&token, clock::now() + Duration::seconds(seconds)).await.map(|found| found.is_some());
    assert_eq!(at(0).await, Ok(true));
    // The leeway is a minute; half a minute is for this test to take.
    assert_eq!(at(TTL_S + 30).await, Ok(true));
    assert_eq!(at(TTL_S + 60).await, Err(Refused::Expired { issuer: issuer() }));
    Ok(())
}

#[tokio::test]
async fn what_is_no_jwt_is_left_to_others_to_judge() -> Result<()> {
    let issuers = Issuers::new(&[])?;
    for other in ["", "lsat_c2VjcmV0", "a.b.c", "hvs.CAESIJ"] {
        assert_eq!(issuers.verify(other, clock::now()).await, Ok(None), "{other}");
    }
    Ok(())
}
