//! OIDC issuers: whose tokens callers may show instead of one of ours.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, bail, ensure};
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use lockstep_core::name::is_dns_label;
use reqwest::Url;
use serde::{Deserialize, Deserializer, de};

/// An issuer whose tokens are accepted.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OidcIssuer {
    /// What the history and messages call it; a DNS label.
    pub name: String,
    /// Its URL, compared as text with tokens' `iss` and its own discovery document.
    pub issuer: String,
    /// Tokens' `aud` must be it, or have it among others.
    pub audience: String,
    /// A PEM file of certificates to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The claim that says who the caller is: a string.
    #[serde(default = "username_claim")]
    pub username_claim: String,
    /// The claim that says which groups the caller is in: a string or a list of them. A token without it is in none.
    #[serde(default = "groups_claim")]
    pub groups_claim: String,
    /// What its tokens may be signed with. Pinned here and never taken from a token, which would let its author choose.
    #[serde(default = "algorithms", deserialize_with = "read_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// As which client people log in there, with `lockstep login --sso`; none: nobody does. Tokens for it are accepted too.
    #[serde(default)]
    pub client_id: Option<String>,
    /// What such a login asks for.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
}

fn username_claim() -> String {
    "sub".to_owned()
}
fn groups_claim() -> String {
    "groups".to_owned()
}
fn algorithms() -> Vec<Algorithm> {
    vec![Algorithm::RS256, Algorithm::ES256]
}
fn scopes() -> Vec<String> {
    vec!["openid".to_owned()]
}

fn read_algorithms<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Algorithm>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    names.iter().map(|name| algorithm(name).map_err(de::Error::custom)).collect()
}

/// An algorithm with which whoever can check a signature cannot make one.
fn algorithm(name: &str) -> anyhow::Result<Algorithm> {
    const ALLOWED: &str = "use some of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA";
    match Algorithm::from_str(name) {
        Ok(algorithm) if algorithm.family() == AlgorithmFamily::Hmac => {
            bail!("algorithms: {name} is symmetric, so that whoever checks tokens could make them: {ALLOWED}")
        }
        Ok(algorithm) => Ok(algorithm),
        Err(_) if name == "none" => bail!("algorithms: none is no signature: {ALLOWED}"),
        Err(_) => bail!("algorithms: {name:?} is not known: {ALLOWED}"),
    }
}

/// Reads a URL of an issuer: it names one server, and what comes from there cannot be changed on the way.
pub(crate) fn secure_url(text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text).ok().filter(Url::has_host).context("use a URL such as https://issuer.example.com")?;
    ensure!(url.username().is_empty() && url.password().is_none(), "a URL with a user or password is not accepted");
    ensure!(url.query().is_none() && url.fragment().is_none(), "a URL with `?` or `#` is not accepted");
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => bail!("use https: keys that come unencrypted could be anybody's (http is for loopback only)"),
        _ => bail!("use a URL such as https://issuer.example.com"),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl OidcIssuer {
    fn check(&self) -> anyhow::Result<()> {
        secure_url(&self.issuer).with_context(|| format!("issuer {:?}", self.issuer))?;
        ensure!(!self.audience.is_empty(), "audience: say for whom tokens must be, such as this server's address");
        ensure!(!self.username_claim.is_empty(), "usernameClaim: name a claim, such as sub");
        ensure!(!self.groups_claim.is_empty(), "groupsClaim: name a claim, such as groups");
        ensure!(!self.algorithms.is_empty(), "algorithms: at least one is needed, such as RS256");
        ensure!(self.client_id.as_deref() != Some(""), "clientId: name a client, or leave it out");
        ensure!(self.scopes.iter().any(|scope| scope == "openid"), "scopes: without openid there is no ID token");
        let is_word = |scope: &String| !scope.is_empty() && scope.bytes().all(|b| b.is_ascii_graphic());
        ensure!(self.scopes.iter().all(is_word), "scopes: each is a word, such as email");
        Ok(())
    }
}

/// Checks all of them, each by itself and with the others.
pub(super) fn check(issuers: &[OidcIssuer]) -> anyhow::Result<()> {
    for (index, issuer) in issuers.iter().enumerate() {
        let name = &issuer.name;
        ensure!(is_dns_label(name), "oidc: {name:?} is no name: use 1 to 63 lower-case letters, digits and '-'");
        issuer.check().with_context(|| format!("oidc {name}"))?;
        for other in &issuers[..index] {
            ensure!(other.name != *name, "oidc: {name} is listed twice");
            // A token tells no more than its `iss`: it could be judged by either's rules.
            ensure!(other.issuer != issuer.issuer, "oidc: {} and {name} have the same issuer", other.name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        json!({"name": "ci", "issuer": "https://issuer.example.com", "audience": "lockstep"})
    }

    /// The first with changes, and then the others as they are.
    fn read(changes: &Value, others: &[Value]) -> Result<Vec<OidcIssuer>, String> {
        let mut first = good();
        first.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let all = [&[first][..], others].concat();
        let issuers: Vec<OidcIssuer> = serde_json::from_value(Value::from(all)).map_err(|e| e.to_string())?;
        check(&issuers).map_err(|e| format!("{e:#}"))?;
        Ok(issuers)
    }

    #[test]
    fn name_issuer_and_audience_are_enough() {
        let issuers = read(&json!({}), &[]).unwrap();
        let issuer = &issuers[0];
        assert_eq!((issuer.username_claim.as_str(), issuer.groups_claim.as_str()), ("sub", "groups"));
        assert_eq!(issuer.algorithms, [Algorithm::RS256, Algorithm::ES256]);
        let other = json!({"name": "people", "issuer": "https://other.example.com/realms/a", "audience": "lockstep"});
        assert_eq!(read(&json!({}), &[other]).unwrap().len(), 2);
        for url in ["http://127.0.0.1:8200/v1/identity/oidc", "http://localhost:1", "http://[::1]:1", "https://a/b/"] {
            assert!(read(&json!({ "issuer": url }), &[]).is_ok(), "{url}");
        }
    }

    #[test]
    fn what_would_be_unsafe_is_refused_at_start_and_named() {
        for (changes, sentence) in [
            (json!({"algorithms": ["RS256", "HS256"]}), "HS256 is symmetric"),
            (json!({"algorithms": ["none"]}), "none is no signature"),
            (json!({"algorithms": ["rs256"]}), "\"rs256\" is not known"),
            (json!({"algorithms": []}), "oidc ci: algorithms: at least one"),
            (json!({"name": "C I"}), "\"C I\" is no name"),
            (json!({"name": ""}), "\"\" is no name"),
            (json!({"issuer": "http://issuer.example.com"}), "oidc ci: issuer \"http://issuer.example.com\": use https"),
            (json!({"issuer": "http://127.0.0.1.example.com"}), "use https"),
            (json!({"issuer": "issuer.example.com"}), "use a URL such as"),
            (json!({"issuer": "ftp://issuer.example.com"}), "use a URL such as"),
            (json!({"issuer": "https://u:p@issuer.example.com"}), "user or password"),
            (json!({"issuer": "https://issuer.example.com?a=b"}), "`?` or `#`"),
            (json!({"audience": ""}), "audience: say for whom"),
            (json!({"usernameClaim": ""}), "usernameClaim: name a claim"),
            (json!({"groupsClaim": ""}), "groupsClaim: name a claim"),
            (json!({"clientId": ""}), "clientId: name a client"),
            (json!({"scopes": ["email"]}), "without openid there is no ID token"),
            (json!({"scopes": ["openid email"]}), "without openid there is no ID token"),
            (json!({"scopes": ["openid", "a b"]}), "each is a word"),
            (json!({"secret": "s"}), "unknown field `secret`"),
        ] {
            let error = read(&changes, &[]).unwrap_err();
            assert!(error.contains(sentence), "{changes}: {error}");
        }
    }

    #[test]
    fn names_and_issuers_are_unique() {
        let mut other = good();
        other["issuer"] = json!("https://other.example.com");
        assert_eq!(read(&json!({}), &[other]).unwrap_err(), "oidc: ci is listed twice");
        let mut other = good();
        other["name"] = json!("people");
        assert_eq!(read(&json!({}), &[other]).unwrap_err(), "oidc: ci and people have the same issuer");
    }
}
