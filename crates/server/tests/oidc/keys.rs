//! Keys that come and go, and an issuer that does not answer.

use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;
use lockstep_server::oidc::{Failure, Issuers, Pace, Refused};
use lockstep_testbed::{OpenBao, Relay, wait};
use serde_json::json;
use tokio::time::Instant;

use crate::fixture::{Idp, changed, config, judge, part};

const LIMIT: Duration = Duration::from_secs(30);
/// Asks whenever it has a reason to.
const AT_ONCE: Pace = Pace { pause: Duration::ZERO, fresh: Duration::from_secs(600), trusted: Duration::from_secs(86_400) };

fn unknown_key() -> Refused {
    Refused::UnknownKey { issuer: "bao".to_owned() }
}

#[tokio::test]
async fn a_token_of_a_new_key_is_accepted_after_one_more_question() -> Result<()> {
    let bao = OpenBao::start().await?;
    let idp = Idp::at(&bao, bao.addr()).await?;
    idp.make_key("rotated", "RS256").await?;
    let issuers = idp.issuers(AT_ONCE)?;
    let before = bao.audit_size()?;
    let old = idp.token("rotated").await?;
    for _ in 0..3 {
        judge(&issuers, &old).await?;
    }
    assert_eq!(idp.asked_since(before)?, 1, "keys are kept");

    // OpenBao publishes its next key ahead: the one after that is unknown to us.
    idp.rotate("rotated").await?;
    idp.rotate("rotated").await?;
    let new = idp.token("rotated").await?;
    assert_ne!(part(&new, 0)["kid"], part(&old, 0)["kid"]);
    for token in [&new, &old, &new] {
        judge(&issuers, token).await?;
    }
    assert_eq!(idp.asked_since(before)?, 2);
    Ok(())
}

#[tokio::test]
async fn a_key_that_was_withdrawn_is_trusted_no_longer_than_keys_are_fresh() -> Result<()> {
    let idp = Idp::shared().await?;
    idp.make_key("withdrawn", "RS256").await?;
    let token = idp.token("withdrawn").await?;
    let (fresh, old) = (idp.issuers(AT_ONCE)?, idp.issuers(Pace { fresh: Duration::ZERO, ..AT_ONCE })?);
    for issuers in [&fresh, &old] {
        judge(issuers, &token).await?;
    }
    idp.withdraw("withdrawn").await?;
    judge(&fresh, &token).await?;
    assert_eq!(judge(&old, &token).await, Err(unknown_key()));
    Ok(())
}

#[tokio::test]
async fn whatever_tokens_come_an_issuer_is_asked_once_in_a_pause() -> Result<()> {
    let bao = OpenBao::start().await?;
    let idp = Idp::at(&bao, bao.addr()).await?;
    idp.make_key("busy", "RS256").await?;
    let token = idp.token("busy").await?;
    // Longer than this test can take.
    let issuers = idp.issuers(Pace { pause: Duration::from_secs(3_600), ..Pace::default() })?;
    let before = bao.audit_size()?;
    let good = join_all((0..50).map(|_| judge(&issuers, &token))).await;
    assert!(good.iter().all(Result::is_ok), "all wait for the one answer");
    let junk: Vec<String> = (0..50).map(|n| changed(&token, &json!({ "kid": format!("{n}") }), &json!({}))).collect();
    let refused = join_all(junk.iter().map(|junk| judge(&issuers, junk))).await;
    assert!(refused.iter().all(|refused| *refused == Err(unknown_key())));
    // What can be refused without keys asks for none.
    let fresh = idp.issuers(AT_ONCE)?;
    for claims in [json!({ "exp": 1 }), json!({ "aud": "other" }), json!({ "iss": "other" }), json!({ "sub": null })] {
        assert!(judge(&fresh, &changed(&token, &json!({}), &claims)).await.is_err(), "{claims}");
    }
    assert_eq!(idp.asked_since(before)?, 1);
    Ok(())
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_keep_keys_from_others() -> Result<()> {
    let bao = OpenBao::start().await?;
    let relay = Relay::start(bao.socket_addr()).await?;
    let idp = Idp::at(&bao, &format!("http://{}", relay.addr())).await?;
    idp.make_key("hangs-up", "RS256").await?;
    let token = idp.token("hangs-up").await?;
    let issuers = idp.issuers(Pace { pause: Duration::from_secs(3_600), ..Pace::default() })?;
    let before = bao.audit_size()?;
    relay.half_open();
    let hung_up = tokio::time::timeout(Duration::from_millis(200), judge(&issuers, &token)).await;
    assert!(hung_up.is_err(), "the issuer does not answer yet");
    relay.heal();
    judge(&issuers, &token).await?;
    assert_eq!(idp.asked_since(before)?, 1, "the question that was under way was answered");
    Ok(())
}

#[tokio::test]
async fn while_the_issuer_is_away_tokens_of_known_keys_go_on() -> Result<()> {
    let bao = OpenBao::start().await?;
    let relay = Relay::start(bao.socket_addr()).await?;
    let idp = Idp::at(&bao, &format!("http://{}", relay.addr())).await?;
    idp.make_key("away", "RS256").await?;
    let token = idp.token("away").await?;
    // These keys are old at once, so that each token asks.
    let issuers = idp.issuers(Pace { fresh: Duration::ZERO, ..AT_ONCE })?;
    judge(&issuers, &token).await?;
    let late = idp.issuers(AT_ONCE)?;

    relay.cut();
    judge(&issuers, &token).await?;
    let refused = judge(&late, &token).await.unwrap_err();
    assert!(refused.is_ours(), "{refused}");
    assert!(matches!(&refused, Refused::Unavailable { why: Failure::Exchange { .. }, .. }), "{refused}");
    assert!(refused.to_string().starts_with("the token may be good, but bao cannot be asked for its keys"), "{refused}");
    // It may have taken a new key since.
    let unknown = changed(&token, &json!({ "kid": "of tomorrow" }), &json!({}));
    assert!(judge(&issuers, &unknown).await.unwrap_err().is_ours());
    // The caller's own faults are told without the issuer.
    let over = changed(&token, &json!({}), &json!({ "exp": 1 }));
    assert_eq!(judge(&late, &over).await, Err(Refused::Expired { issuer: "bao".to_owned() }));

    relay.half_open();
    let began = Instant::now();
    judge(&issuers, &token).await?;
    let took = began.elapsed();
    println!("an issuer that hangs held a token of a known key up for {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");

    relay.heal();
    wait::until("the issuer's keys", LIMIT, async || judge(&late, &token).await).await?;
    Ok(())
}

#[tokio::test]
async fn keys_of_whoever_is_not_the_issuer_are_not_taken() -> Result<()> {
    let idp = Idp::shared().await?;
    idp.make_key("elsewhere", "RS256").await?;
    let token = idp.token("elsewhere").await?;
    // The same server by another address: its document says that it is somebody else.
    let relay = Relay::start(idp.bao.socket_addr()).await?;
    let other = format!("http://{}/v1/identity/oidc", relay.addr());
    let issuers = Issuers::new(&[config(&other, &json!({}))])?;
    let refused = judge(&issuers, &changed(&token, &json!({}), &json!({ "iss": other }))).await;
    let why = Failure::OtherIssuer { found: idp.issuer.clone() };
    assert_eq!(refused, Err(Refused::Unavailable { issuer: "bao".to_owned(), why }));
    Ok(())
}
