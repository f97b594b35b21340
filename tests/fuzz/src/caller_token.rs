//! What callers show as their token.

use std::sync::LazyLock;

use chrono::DateTime;
use futures::FutureExt as _;
use lockstep_core::cluster::ServiceAccountIssuer;
use lockstep_server::oidc::service_account::verify;
use lockstep_server::oidc::{Issuers, Refused};
use lockstep_server::token::hash;

use crate::{MATERIAL, Target, text, texts};

/// The target.
pub const TARGET: Target = Target { name: "caller_token", run, seeds };

/// None is accepted: nobody is asked for keys, and a token gets as far as naming its issuer.
static ISSUERS: LazyLock<Issuers> = LazyLock::new(|| Issuers::new(&[]).expect("no issuers"));

/// Whose service accounts join a cluster. Nobody has its private key.
static CLUSTER: LazyLock<ServiceAccountIssuer> = LazyLock::new(|| ServiceAccountIssuer {
    issuer: "https://idp.test".to_owned(),
    subject: "ann".to_owned(),
    audience: "lockstep".to_owned(),
    // RFC 7517, appendix A.1.
    jwks: serde_json::json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "kid": "k",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    }] }),
});

fn run(data: &[u8]) {
    let token = text(data);
    let error = verify(&token, &CLUSTER, DateTime::UNIX_EPOCH).expect_err("nobody signed for it");
    assert!(!error.to_string().contains(MATERIAL) || token.contains('.'), "the refusal quotes what is no token: {error}");
    assert_eq!(hash(&token).len(), 32);
    let verified = ISSUERS.verify(&token, DateTime::UNIX_EPOCH).now_or_never().expect("nobody is waited for");
    match verified {
        Ok(None) => {}
        Ok(Some(identity)) => panic!("nobody signed for {}", identity.user),
        Err(Refused::UnknownIssuer { iss }) => {
            assert!(iss.chars().count() <= 201, "{} characters of a claim", iss.chars().count());
        }
        Err(error) => assert!(!error.to_string().contains(MATERIAL), "the refusal quotes the token: {error}"),
    }
}

fn seeds() -> Vec<Vec<u8>> {
    texts([
        // {"alg":"RS256","kid":"k"}.{"iss":"https://idp.test","sub":"ann","exp":1}
        "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lkcC50ZXN0Iiwic3ViIjoiYW5uIiwiZXhwIjoxfQ.c2ln",
        // {"alg":"ES256","kid":"k"}.{"iss":"https://idp.test","sub":"ann","aud":["lockstep"],"exp":600}
        "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lkcC50ZXN0Iiwic3ViIjoiYW5uIiwiYXVkIjpbImxvY2tzdGVwIl0sImV4cCI6NjAwfQ.c2ln",
        // {"alg":"none"}.{"iss":1}
        "eyJhbGciOiJub25lIn0.eyJpc3MiOjF9.",
        // {"alg":"RS256","crit":["b64"]}.{}
        "eyJhbGciOiJSUzI1NiIsImNyaXQiOlsiYjY0Il19.e30.c2ln",
        "lsat_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE",
        MATERIAL,
    ])
}
