//! Logging in with a browser at an OIDC issuer: the authorization code flow with PKCE (RFC 7636) and a redirect to this machine (RFC 8252).
//!
//! The server says which issuers there are. This command holds no secret that another could not have: what keeps a code from being of use
//! to anybody else is the challenge that it was asked for with.

mod callback;
mod id_token;
mod issuer;
mod one_time;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use lockstep_api::login::{LoginMethods, OidcLogin};

use crate::settings::Token;
use crate::{clock, progress, terminal};
use callback::Callback;
use issuer::Issuer;
use one_time::OneTime;

/// How long a person may take at the issuer.
pub(crate) const PERSON_LIMIT: Duration = Duration::from_secs(300);

/// How to log in there.
pub(crate) struct Options<'a> {
    /// PEM file of the authority that signed the issuer's certificate.
    pub(crate) certificate_authority: Option<&'a PathBuf>,
    /// The port that the browser comes back to; 0: any.
    pub(crate) port: u16,
}

/// The issuer that is meant: the one of that name, or the only one.
pub(crate) fn choose<'a>(methods: &'a LoginMethods, name: Option<&str>) -> anyhow::Result<&'a OidcLogin> {
    let names = || methods.oidc.iter().map(|issuer| issuer.name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, methods.oidc.as_slice()) {
        (_, []) => {
            bail!("this server names no issuer to log in at: use --token-file, or list one with a clientId in its configuration")
        }
        (None, [only]) => Ok(only),
        (None, _) => bail!("say at which issuer with --issuer NAME: {}", names()),
        (Some(name), all) => all
            .iter()
            .find(|issuer| issuer.name == name)
            .ok_or_else(|| anyhow!("this server names no issuer {name:?} to log in at: there is {}", names())),
    }
}

/// Has a person log in at the issuer; the token is the ID token.
pub(crate) async fn log_in(method: &OidcLogin, options: &Options<'_>) -> anyhow::Result<Token> {
    let name = &method.name;
    let issuer = Issuer::discover(&method.issuer, options.certificate_authority);
    let issuer = progress::during("asking the issuer", issuer).await.with_context(|| format!("the issuer {name}"))?;
    let one_time = OneTime::new()?;
    let callback = Callback::listen(options.port).await?;
    let redirect_uri = callback.redirect_uri();
    let address = issuer.authorization_address(method, &redirect_uri, &one_time);
    terminal::note(&format!("Open this address in a browser on this machine, and log in there:\n\n  {address}\n"));
    let coming = tokio::time::timeout(PERSON_LIMIT, callback.code(&one_time.state, &method.issuer));
    let code = progress::during("waiting for the browser to come back", coming).await;
    let minutes = PERSON_LIMIT.as_secs() / 60;
    let code = code.map_err(|_| anyhow!("nobody logged in at {name} within {minutes} minutes: try again"))?;
    let code = code.with_context(|| format!("logging in at {name}"))?;
    let exchange = issuer.exchange(method, &redirect_uri, &code, &one_time.verifier);
    let token = progress::during("exchanging the code", exchange).await.with_context(|| format!("the issuer {name}"))?;
    id_token::check(&token, method, &one_time.nonce, clock::now()).with_context(|| format!("the token of {name}"))?;
    Token::read(&token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn methods(names: &[&str]) -> LoginMethods {
        let method = |name: &&str| OidcLogin {
            name: (*name).to_owned(),
            issuer: format!("https://{name}.example.com"),
            client_id: "cli".to_owned(),
            scopes: vec!["openid".to_owned()],
        };
        LoginMethods { oidc: names.iter().map(method).collect() }
    }

    #[test]
    fn the_only_issuer_needs_no_name_and_of_several_one_is_named() {
        let chosen = |names: &[&str], name| {
            choose(&methods(names), name).map(|method| method.name.clone()).map_err(|error| error.to_string())
        };
        assert_eq!(chosen(&["a"], None), Ok("a".to_owned()));
        assert_eq!(chosen(&["a", "b"], Some("b")), Ok("b".to_owned()));
        for (names, name, sentence) in [
            (&[][..], None, "names no issuer to log in at: use --token-file"),
            (&["a", "b"], None, "--issuer NAME: a, b"),
            (&["a", "b"], Some("c"), "no issuer \"c\" to log in at: there is a, b"),
        ] {
            let error = chosen(names, name).unwrap_err();
            assert!(error.contains(sentence), "{error}");
        }
    }
}
