//! What is asked of an issuer: where its endpoints are (OpenID Connect Discovery 1.0), and a token for a code.

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use lockstep_api::login::OidcLogin;
use reqwest::{RequestBuilder, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::one_time::OneTime;
use crate::rest::transport;

/// The largest answer, in bytes.
const ANSWER_MAX_BYTES: usize = 256 * 1024;

/// An issuer whose endpoints are known.
pub(super) struct Issuer {
    client: reqwest::Client,
    endpoints: Endpoints,
}

struct Endpoints {
    authorization: Url,
    token: Url,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
}

#[derive(Deserialize)]
struct Answer {
    id_token: Option<String>,
    error: Option<String>,
}

impl Issuer {
    /// Asks for its discovery document.
    pub(super) async fn discover(issuer: &str, certificate_authority: Option<&PathBuf>) -> anyhow::Result<Self> {
        secure(issuer)?;
        let client = transport::build(certificate_authority)?;
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let found: Discovery = answer(client.get(address), "its discovery document").await?;
        ensure!(found.issuer == issuer, "its discovery document is one of another issuer, {:?}", found.issuer);
        // Codes and tokens go there: by TLS, or on this machine only.
        let endpoints =
            Endpoints { authorization: secure(&found.authorization_endpoint)?, token: secure(&found.token_endpoint)? };
        Ok(Self { client, endpoints })
    }

    /// Where a person logs in.
    pub(super) fn authorization_address(&self, method: &OidcLogin, redirect_uri: &str, one_time: &OneTime) -> Url {
        let mut address = self.endpoints.authorization.clone();
        address.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &method.client_id),
            ("redirect_uri", redirect_uri),
            ("scope", &method.scopes.join(" ")),
            ("state", &one_time.state),
            ("nonce", &one_time.nonce),
            ("code_challenge", &one_time.challenge()),
            ("code_challenge_method", "S256"),
        ]);
        address
    }

    /// The ID token that the code stands for.
    pub(super) async fn exchange(
        &self,
        method: &OidcLogin,
        redirect_uri: &str,
        code: &str,
        verifier: &str,
    ) -> anyhow::Result<String> {
        let form = form(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("client_id", &method.client_id),
            ("code_verifier", verifier),
        ]);
        let request = self.client.post(self.endpoints.token.clone());
        let request = request.header("content-type", "application/x-www-form-urlencoded").header("accept", "application/json");
        let answer: Answer = answer(request.body(form), "a token").await?;
        match answer {
            Answer { error: Some(error), .. } => bail!("it gave no token ({})", printable(&error)),
            Answer { id_token: Some(token), .. } => Ok(token),
            Answer { .. } => bail!("it gave no ID token: is `openid` among the scopes in the server's configuration?"),
        }
    }
}

/// An address to which a code or a token may go.
fn secure(address: &str) -> anyhow::Result<Url> {
    transport::address(address).ok().with_context(|| format!("{address:?} is no https address"))
}

/// As a form is sent. The URL's own encoding of a query is the same.
fn form(pairs: &[(&str, &str)]) -> String {
    let encoded = Url::parse_with_params("http://localhost", pairs).ok();
    encoded.and_then(|url| url.query().map(ToOwned::to_owned)).unwrap_or_default()
}

/// The answer's JSON. Errors quote nothing of it, as it may hold a token.
async fn answer<T: DeserializeOwned>(request: RequestBuilder, what: &str) -> anyhow::Result<T> {
    let mut response = request.send().await.map_err(reqwest::Error::without_url).with_context(|| format!("asking for {what}"))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) =
        response.chunk().await.map_err(reqwest::Error::without_url).with_context(|| format!("reading {what}"))?
    {
        ensure!(body.len() + chunk.len() <= ANSWER_MAX_BYTES, "it answered too much when asked for {what}");
        body.extend_from_slice(&chunk);
    }
    // A refusal of the token endpoint is JSON too, and says why (RFC 6749, 5.2).
    match serde_json::from_slice(&body) {
        Ok(answer) if status.is_success() || status.as_u16() == 400 || status.as_u16() == 401 => Ok(answer),
        _ => bail!("it answered {status} and nothing this command understands when asked for {what}"),
    }
}

/// What a stranger's text may show on a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_asks_for_a_code_that_only_this_login_can_use() {
        let endpoints = Endpoints {
            authorization: Url::parse("https://i.example.com/authorize?realm=a").unwrap(),
            token: Url::parse("https://i.example.com/token").unwrap(),
        };
        let issuer = Issuer { client: reqwest::Client::new(), endpoints };
        let method = OidcLogin {
            name: "i".to_owned(),
            issuer: "https://i.example.com".to_owned(),
            client_id: "a b".to_owned(),
            scopes: vec!["openid".to_owned(), "groups".to_owned()],
        };
        let one_time = OneTime { state: "s".to_owned(), nonce: "n".to_owned(), verifier: "v".to_owned() };
        let address = issuer.authorization_address(&method, "http://127.0.0.1:7/callback", &one_time);
        assert_eq!(
            address.as_str(),
            "https://i.example.com/authorize?realm=a&response_type=code&client_id=a+b\
             &redirect_uri=http%3A%2F%2F127.0.0.1%3A7%2Fcallback&scope=openid+groups&state=s&nonce=n\
             &code_challenge=CHALLENGE&code_challenge_method=S256"
                .replace("CHALLENGE", &one_time.challenge())
        );
        assert!(!address.as_str().contains("code_verifier"));
    }

    #[test]
    fn a_form_is_encoded_and_a_strangers_text_moves_no_cursor() {
        assert_eq!(form(&[("a", "b c"), ("d", "&=")]), "a=b+c&d=%26%3D");
        assert_eq!(printable("a\u{1b}[2J b\n"), "a[2J b");
    }
}
