//! `lockstep login --sso` against OpenBao's OIDC provider. The test is the browser.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use lockstep_server::config::OidcIssuer;
use lockstep_server::oidc::{Issuers, Pace};
use lockstep_server::{clock, rest};
use lockstep_testbed::{Folder, OpenBao, bin};
use reqwest::Url;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::fixture::{config, part};

const LIMIT: Duration = Duration::from_secs(60);

/// A provider, somebody who has an account there, and a server that accepts its tokens.
struct Place {
    bao: &'static OpenBao,
    provider: String,
    /// The person's login at OpenBao, which their browser would keep as a cookie.
    login: String,
    entity: String,
    server: String,
    folder: Folder,
}

/// What this test's server knows.
#[derive(Clone)]
struct Known {
    config: Arc<Vec<OidcIssuer>>,
    issuers: Arc<Issuers>,
}

/// A command that waits for its browser.
struct Waiting {
    child: Child,
    /// Where the browser is to go.
    address: Url,
}

impl Place {
    async fn new() -> Result<Self> {
        let bao = OpenBao::shared().await?;
        let id = Uuid::new_v4().simple().to_string();
        let (mount, client) = (format!("userpass-{id}"), format!("identity/oidc/client/{id}"));
        bao.enable_auth(&mount, "userpass").await?;
        let provider = format!("identity/oidc/provider/{id}");
        bao.write_policy(&id, &format!("path \"{provider}/authorize\" {{ capabilities = [\"read\", \"update\"] }}")).await?;
        let password = json!({ "password": "correct horse", "token_policies": [id] });
        bao.request("POST", &format!("auth/{mount}/users/alice"), Some(password.clone())).await?;
        let answer = bao.request_as("", "POST", &format!("auth/{mount}/login/alice"), Some(password)).await?;
        let text = |name: &str| answer["auth"][name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
        let (login, entity) = (text("client_token")?, text("entity_id")?);

        bao.request("POST", &format!("identity/oidc/key/{id}"), Some(json!({ "allowed_client_ids": ["*"] }))).await?;
        // A client without a secret. The port of a loopback redirect is any (RFC 8252, 7.3).
        let settings = json!({
            "key": id, "client_type": "public", "redirect_uris": ["http://127.0.0.1/callback"], "assignments": ["allow_all"],
            "id_token_ttl": "10m",
        });
        bao.request("POST", &client, Some(settings)).await?;
        let client_id =
            bao.request("GET", &client, None).await?["data"]["client_id"].as_str().context("no client id")?.to_owned();
        bao.request("POST", &provider, Some(json!({ "allowed_client_ids": [client_id] }))).await?;

        let issuer = format!("{}/v1/{provider}", bao.addr());
        // People's tokens are for the client; those of CI jobs for this audience.
        let config = config(&issuer, &json!({ "audience": "https://lockstep.example.com:8443", "clientId": client_id }));
        let server = serve(vec![config]).await?;
        Ok(Self { bao, provider, login, entity, server, folder: Folder::new("sso")? })
    }

    /// `lockstep login --sso`, up to where a person would go on.
    async fn begin(&self) -> Result<Waiting> {
        let mut child = Command::new(bin("lockstep")?)
            .args(["login", "--sso", "--server", &self.server])
            .env("LOCKSTEP_CONFIG", self.folder.path().join("cli.yaml"))
            .env_remove("LOCKSTEP_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stderr = child.stderr.as_mut().context("no standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = String::new();
        let address = tokio::time::timeout(LIMIT, async {
            while let Some(line) = lines.next_line().await? {
                if let Ok(address) = Url::parse(line.trim()) {
                    return Ok(address);
                }
                said.push_str(&line);
            }
            anyhow::bail!("the command names no address: {said}")
        });
        let address = address.await??;
        Ok(Waiting { child, address })
    }

    /// What the provider sends the browser on to, once its person has logged in there.
    async fn authorize(&self, address: &Url, changes: &[(&str, &str)]) -> Result<Url> {
        let mut asked = serde_json::Map::new();
        for (name, value) in address.query_pairs() {
            asked.insert(name.into_owned(), Value::from(value.into_owned()));
        }
        let answer =
            self.bao.request_as(&self.login, "POST", &format!("{}/authorize", self.provider), Some(asked.into())).await?;
        let asked = |name: &str| address.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let mut redirect = Url::parse(&asked("redirect_uri").context("no redirect_uri")?)?;
        let answered = |name: &str| answer[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {answer}"));
        for name in ["code", "state"] {
            let other = changes.iter().find(|(what, _)| *what == name).map(|(_, value)| (*value).to_owned());
            redirect.query_pairs_mut().append_pair(name, &other.map_or_else(|| answered(name), Ok)?);
        }
        Ok(redirect)
    }

    /// The context that the command keeps.
    fn kept(&self) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join("cli.yaml")).ok()
    }
}

impl Waiting {
    /// What it says in the end: exit code, standard output, standard error.
    async fn end(mut self) -> Result<(Option<i32>, String, String)> {
        let (mut out, mut err) = (String::new(), String::new());
        let status = tokio::time::timeout(LIMIT, self.child.wait()).await??;
        self.child.stdout.take().context("no output")?.read_to_string(&mut out).await?;
        self.child.stderr.take().context("no output")?.read_to_string(&mut err).await?;
        Ok((status.code(), out, err))
    }
}

/// As a replica answers who asks how to log in, and who a token is.
async fn serve(config: Vec<OidcIssuer>) -> Result<String> {
    let issuers = Arc::new(Issuers::with_pace(&config, Pace::default())?);
    let router = Router::new()
        .route("/login-methods", get(async |State(known): State<Known>| Json(rest::login_methods(&known.config))))
        .route("/v1/caller", get(caller))
        .with_state(Known { config: Arc::new(config), issuers });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(server)
}

async fn caller(State(known): State<Known>, headers: HeaderMap) -> Response {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    match known.issuers.verify(token.unwrap_or_default(), clock::now()).await {
        Ok(Some(identity)) => Json(json!({ "actor": format!("oidc:{}:{}", identity.issuer, identity.user) })).into_response(),
        refused => (StatusCode::UNAUTHORIZED, format!("{refused:?}")).into_response(),
    }
}

#[tokio::test]
async fn a_person_logs_in_with_a_browser_and_the_token_is_kept() -> Result<()> {
    let place = Place::new().await?;
    let waiting = place.begin().await?;
    ensure!(waiting.address.as_str().contains("code_challenge_method=S256"), "{}", waiting.address);
    let redirect = place.authorize(&waiting.address, &[]).await?;
    let page = reqwest::get(redirect).await?;
    ensure!(page.status().is_success() && page.text().await?.starts_with("Done here"), "what the person sees");
    let (code, out, err) = waiting.end().await?;
    let want = format!(
        "Logged in to {} as oidc:bao:{} (context default): no role yet, so ask an administrator for a role assignment.\n",
        place.server, place.entity
    );
    assert_eq!((code, out.as_str()), (Some(0), want.as_str()), "{err}");
    let kept: Value = serde_saphyr::from_str(&place.kept().context("no context was kept")?)?;
    let token = kept["contexts"][0]["token"].as_str().context("no token was kept")?;
    assert_eq!(part(token, 1)["sub"], place.entity);
    ensure!(!err.contains(token), "the token is shown");
    Ok(())
}

#[tokio::test]
async fn a_code_that_is_not_the_issuers_gives_no_token_and_keeps_nothing() -> Result<()> {
    let place = Place::new().await?;
    let waiting = place.begin().await?;
    // Somebody else's answer does not end the waiting.
    let strange = place.authorize(&waiting.address, &[("state", "guessed")]).await?;
    assert_eq!(reqwest::get(strange).await?.status().as_u16(), 404);
    let wrong = place.authorize(&waiting.address, &[("code", "guessed")]).await?;
    reqwest::get(wrong).await?;
    let (code, out, err) = waiting.end().await?;
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    ensure!(err.contains("error: the issuer bao: it gave no token (invalid_grant)"), "{err}");
    assert_eq!(place.kept(), None);
    Ok(())
}

#[tokio::test]
async fn a_code_that_was_stolen_on_the_way_is_of_no_use_to_another_login() -> Result<()> {
    let place = Place::new().await?;
    let (victim, thief) = (place.begin().await?, place.begin().await?);
    let redirect = place.authorize(&victim.address, &[]).await?;
    let stolen = redirect.query_pairs().find(|(name, _)| name == "code").context("no code")?.1.into_owned();
    let injected = place.authorize(&thief.address, &[("code", &stolen)]).await?;
    reqwest::get(injected).await?;
    let (code, _, err) = thief.end().await?;
    assert_eq!(code, Some(1), "{err}");
    ensure!(err.contains("it gave no token"), "{err}");
    assert_eq!(place.kept(), None);
    Ok(())
}
