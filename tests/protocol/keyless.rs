//! Joining with a token of the agent's service account, by the keys that were registered with its cluster.

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lockstep_proto::v1::{JoinRequest, JoinResponse};
use lockstep_testbed::Fleet;
use rcgen::KeyPair;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::raw::{joining, key, request};
use crate::setting::{changes, cluster, reconfigure, servers};

const SUBJECT: &str = "system:serviceaccount:lockstep:lockstep-agent";

/// A cluster's issuer of service account tokens.
struct Issuer {
    pair: EcdsaKeyPair,
    name: String,
}

impl Issuer {
    fn new(cluster: &str) -> Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        Ok(Self { pair, name: format!("https://{cluster}.example.com") })
    }

    fn jwks(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "kid": "1", "x": encode(&point[1..33]), "y": encode(&point[33..]) }] })
    }

    /// A token as the kubelet projects it, but for `changes`.
    fn token(&self, changes: &Value) -> Result<String> {
        let now = chrono::Utc::now().timestamp();
        let id = uuid::Uuid::new_v4().to_string();
        let mut claims = json!({
            "iss": self.name, "sub": SUBJECT, "aud": ["lockstep"], "iat": now, "nbf": now, "exp": now + 600, "jti": id,
        });
        claims.as_object_mut().into_iter().for_each(|claims| claims.extend(changes.as_object().cloned().unwrap_or_default()));
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&json!({ "alg": "ES256", "kid": "1" })), encode(&claims));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Registers the cluster of this name with it.
    async fn register(&self, fleet: &Fleet, cluster: &str) -> Result<()> {
        fleet.apply(&self.manifest(cluster)).await
    }

    fn manifest(&self, cluster: &str) -> String {
        let issuer = json!({ "issuer": self.name, "subject": SUBJECT, "jwks": self.jwks() });
        let spec = json!({ "serviceAccountIssuer": issuer });
        json!({ "apiVersion": "lockstep.dev/v1", "kind": "Cluster", "metadata": { "name": cluster }, "spec": spec }).to_string()
    }
}

async fn join(fleet: &Fleet, token: &str, key: &KeyPair, cluster: &str) -> Result<Result<JoinResponse, Status>> {
    let wish = JoinRequest { token: token.to_owned(), csr_der: request(key)?, cluster: cluster.to_owned() };
    Ok(joining(fleet, 0).await?.join(wish).await.map(tonic::Response::into_inner))
}

/// Nobody joined.
async fn refused(fleet: &Fleet, token: &str, cluster: &str, why: &str) -> Result<()> {
    let status =
        join(fleet, token, &key()?, cluster).await?.err().with_context(|| format!("joined with a token that is {why}"))?;
    ensure!(status.code() == Code::PermissionDenied, "{why}: {status:?}");
    Ok(())
}

#[tokio::test]
async fn a_token_of_the_registered_account_joins_its_own_cluster_once_and_no_other() -> Result<()> {
    let mut fleet = servers(1).await?;
    // All of them are at one address.
    reconfigure(&mut fleet, 0, "joinRefusalsPerMinute", 1_000).await?;
    let (eu, us) = (Issuer::new("eu")?, Issuer::new("us")?);
    eu.register(&fleet, "eu").await?;
    us.register(&fleet, "us").await?;
    fleet.cli(&["cluster", "register", "plain"]).await?;

    let good = eu.token(&json!({}))?;
    refused(&fleet, &good, "us", "another cluster's").await?;
    refused(&fleet, &good, "plain", "of a cluster without a registered issuer").await?;
    refused(&fleet, &good, "nowhere", "of no cluster").await?;
    refused(&fleet, &good, "", "of a cluster that is not named").await?;
    // What the other cluster signs in this one's name is not signed by this one.
    refused(&fleet, &us.token(&json!({ "iss": eu.name }))?, "eu", "signed by another").await?;
    for (changes, why) in [
        (json!({ "aud": ["vault"] }), "for somebody else"),
        (json!({ "aud": ["lockstep", "vault"] }), "also for somebody else"),
        (json!({ "sub": "system:serviceaccount:default:default" }), "of another account"),
        (json!({ "exp": chrono::Utc::now().timestamp() - 1 }), "expired"),
        (json!({ "exp": chrono::Utc::now().timestamp() + 90_000 }), "good for more than a day"),
    ] {
        refused(&fleet, &eu.token(&changes)?, "eu", why).await?;
    }
    assert_eq!(cluster(&fleet, "eu").await?["status"]["state"], "Pending");

    let own = key()?;
    let first = join(&fleet, &good, &own, "eu").await?.map_err(|status| anyhow::anyhow!("{status:?}"))?;
    assert_eq!(first.cluster_name, "eu");
    assert_eq!(cluster(&fleet, "eu").await?["status"]["state"], "Active");
    // As if the answer had been lost; whoever took the token from the pod is too late.
    let again = join(&fleet, &good, &own, "eu").await?.map_err(|status| anyhow::anyhow!("{status:?}"))?;
    assert_eq!(again.cluster, first.cluster);
    refused(&fleet, &good, "eu", "used by another key").await?;
    let kinds: Vec<String> = changes(&fleet, "eu").await?.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["JoinRefused", "ClusterJoined", "ClusterWritten"], "newest first");

    // Revoked: its next token is good for nothing, until a person lets the cluster rejoin.
    fleet.cli(&["cluster", "revoke", "eu"]).await?;
    refused(&fleet, &eu.token(&json!({}))?, "eu", "of a revoked cluster").await?;
    fleet.cli(&["cluster", "rejoin", "eu"]).await?;
    join(&fleet, &eu.token(&json!({}))?, &key()?, "eu").await?.map_err(|status| anyhow::anyhow!("{status:?}"))?;

    // The cluster exchanged its keys, and nobody registered the new ones.
    let exchanged = Issuer { name: eu.name.clone(), ..Issuer::new("eu")? };
    refused(&fleet, &exchanged.token(&json!({}))?, "eu", "signed with a key that is not registered").await?;
    exchanged.register(&fleet, "eu").await?;
    join(&fleet, &exchanged.token(&json!({}))?, &key()?, "eu").await?.map(drop).map_err(|status| anyhow::anyhow!("{status:?}"))
}
