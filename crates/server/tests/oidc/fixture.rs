//! An OpenBao whose identity tokens are shown, and somebody who gets them.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lockstep_server::clock;
use lockstep_server::config::OidcIssuer;
use lockstep_server::oidc::{Identity, Issuers, Pace, Refused};
use lockstep_testbed::OpenBao;
use serde_json::{Value, json};
use uuid::Uuid;

/// For whom tokens are.
pub(crate) const AUDIENCE: &str = "lockstep";
/// How long they live.
pub(crate) const TTL_S: i64 = 300;

/// An issuer and a person known to it.
pub(crate) struct Idp<'a> {
    pub(crate) bao: &'a OpenBao,
    /// `iss` of its tokens.
    pub(crate) issuer: String,
    /// The person's `sub`.
    pub(crate) entity: String,
    /// The group that the person is in.
    pub(crate) group: String,
    /// With which the person asks for tokens.
    login: String,
    id: String,
}

impl<'a> Idp<'a> {
    /// On a server that tests share.
    pub(crate) async fn shared() -> Result<Idp<'static>> {
        let bao = OpenBao::shared().await?;
        Idp::new(bao, bao.addr()).await
    }

    /// Reached at this address, which must then be everybody's: an OpenBao is one issuer.
    pub(crate) async fn at(bao: &'a OpenBao, address: &str) -> Result<Self> {
        bao.request("POST", "identity/oidc/config", Some(json!({ "issuer": address }))).await?;
        Self::new(bao, address).await
    }

    async fn new(bao: &'a OpenBao, address: &str) -> Result<Self> {
        let id = Uuid::new_v4().simple().to_string();
        let (mount, group) = (format!("userpass-{id}"), format!("team-{id}"));
        bao.enable_auth(&mount, "userpass").await?;
        bao.write_policy(&id, "path \"identity/oidc/token/*\" { capabilities = [\"read\"] }").await?;
        let password = json!({ "password": "correct horse", "token_policies": [id] });
        bao.request("POST", &format!("auth/{mount}/users/alice"), Some(password.clone())).await?;
        let answer = bao.request_as("", "POST", &format!("auth/{mount}/login/alice"), Some(password)).await?;
        let text = |name: &str| answer["auth"][name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
        let (login, entity) = (text("client_token")?, text("entity_id")?);
        bao.request("POST", "identity/group", Some(json!({ "name": group, "member_entity_ids": [entity] }))).await?;
        Ok(Self { bao, issuer: format!("{address}/v1/identity/oidc"), entity, group, login, id })
    }

    /// Makes a key that signs with `algorithm`, and what is signed with it; called `name`.
    pub(crate) async fn make_key(&self, name: &str, algorithm: &str) -> Result<()> {
        let name = self.named(name);
        let key = json!({ "algorithm": algorithm, "allowed_client_ids": ["*"], "verification_ttl": "1h" });
        self.bao.request("POST", &format!("identity/oidc/key/{name}"), Some(key)).await?;
        let template = r#"{"groups": {{identity.entity.groups.names}}, "nickname": {{identity.entity.name}}}"#;
        let role = json!({ "key": name, "client_id": AUDIENCE, "ttl": format!("{TTL_S}s"), "template": template });
        self.bao.request("POST", &format!("identity/oidc/role/{name}"), Some(role)).await.map(drop)
    }

    /// Takes a new key; those of before are published on.
    pub(crate) async fn rotate(&self, name: &str) -> Result<()> {
        self.bao.request("POST", &format!("identity/oidc/key/{}/rotate", self.named(name)), None).await.map(drop)
    }

    /// Takes the key away, and what is signed with it.
    pub(crate) async fn withdraw(&self, name: &str) -> Result<()> {
        for kind in ["role", "key"] {
            self.bao.request("DELETE", &format!("identity/oidc/{kind}/{}", self.named(name)), None).await?;
        }
        Ok(())
    }

    /// The person's token, signed by that key.
    pub(crate) async fn token(&self, name: &str) -> Result<String> {
        let path = format!("identity/oidc/token/{}", self.named(name));
        let answer = self.bao.request_as(&self.login, "GET", &path, None).await?;
        answer["data"]["token"].as_str().map(str::to_owned).context("no token")
    }

    fn named(&self, name: &str) -> String {
        format!("{name}-{}", self.id)
    }

    /// How this issuer is configured.
    pub(crate) fn config(&self, changes: &Value) -> OidcIssuer {
        config(&self.issuer, changes)
    }

    /// A server that accepts its tokens.
    pub(crate) fn issuers(&self, pace: Pace) -> Result<Issuers> {
        Issuers::with_pace(&[self.config(&json!({}))], pace)
    }

    /// How often its keys were asked for since the audit log was that long.
    pub(crate) fn asked_since(&self, size: usize) -> Result<usize> {
        self.bao.count_requests_since(size, |path, _| path == "identity/oidc/.well-known/keys")
    }
}

/// How an issuer is configured.
pub(crate) fn config(issuer: &str, changes: &Value) -> OidcIssuer {
    let mut config = json!({ "name": "bao", "issuer": issuer, "audience": AUDIENCE });
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

/// What is said of a token now.
pub(crate) async fn judge(issuers: &Issuers, token: &str) -> Result<Identity, Refused> {
    issuers.verify(token, clock::now()).await.map(|identity| identity.expect("this is a JWT"))
}

/// A part of a token.
pub(crate) fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The token with changes to its header and claims, and its signature as it was.
pub(crate) fn changed(token: &str, header: &Value, claims: &Value) -> String {
    let encode = |index, changes: &Value| {
        let mut part = part(token, index);
        part.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        URL_SAFE_NO_PAD.encode(part.to_string())
    };
    format!("{}.{}.{}", encode(0, header), encode(1, claims), token.split('.').nth(2).unwrap())
}
