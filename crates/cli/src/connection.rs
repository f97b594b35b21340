//! Which server is meant, and as whom.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::private;
use crate::rest::client::Client;
use crate::rest::failure::TokenOrigin;
use crate::rest::transport;
use crate::settings::{Settings, Token};

/// Options that every command has.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConnectionArgs {
    /// Context of the configuration file to use, instead of the current one
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection")]
    pub(crate) context: Option<String>,
    /// Address of the server, such as https://host:8443 (or LOCKSTEP_SERVER)
    #[arg(long, global = true, value_name = "URL", help_heading = "Connection")]
    pub(crate) server: Option<String>,
    /// PEM file of the authority that signed the server's certificate (or LOCKSTEP_CERTIFICATE_AUTHORITY)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    pub(crate) certificate_authority: Option<PathBuf>,
}

/// What the environment says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    pub(crate) server: Option<String>,
    pub(crate) certificate_authority: Option<PathBuf>,
    pub(crate) token: Option<Token>,
}

/// A server and who is calling.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    server: String,
    certificate_authority: Option<PathBuf>,
    token: Token,
}

impl Environment {
    /// Reads `LOCKSTEP_SERVER`, `LOCKSTEP_CERTIFICATE_AUTHORITY` and `LOCKSTEP_TOKEN`; an empty variable counts as none.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let token = variable("LOCKSTEP_TOKEN").map(|text| Token::read(&text)).transpose();
        Ok(Self {
            server: variable("LOCKSTEP_SERVER"),
            certificate_authority: variable("LOCKSTEP_CERTIFICATE_AUTHORITY").map(PathBuf::from),
            token: token.context("reading LOCKSTEP_TOKEN")?,
        })
    }
}

impl ConnectionArgs {
    /// A client of the server that is meant.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let environment = Environment::read()?;
        let origin = if environment.token.is_some() { TokenOrigin::Environment } else { TokenOrigin::Login };
        let file = settings_file()?;
        let target = choose(self, environment, &Settings::load(&file)?);
        // Nothing is known without a file; if somebody named it, it is probably named wrong.
        let target = match target {
            Err(_) if !file.exists() && env::var_os("LOCKSTEP_CONFIG").is_some_and(|value| !value.is_empty()) => bail!(
                "LOCKSTEP_CONFIG names {}, which does not exist: correct it, or log in with `lockstep login --server https://host:8443 --token-file FILE`",
                file.display()
            ),
            other => other?,
        };
        let origin = if self.context.is_some() && self.server.is_none() { TokenOrigin::Login } else { origin };
        if matches!(origin, TokenOrigin::Login) {
            // It was written with mode 0600: somebody changed that. Whoever logs in anew, or uses another context, mends it.
            private::check(&file)?;
        }
        Client::new(&target.server, target.certificate_authority.as_ref(), target.token.reveal().to_owned(), origin)
    }
}

/// Where the configuration is: `$LOCKSTEP_CONFIG`, or `lockstep/config.yaml` where the XDG base directory specification puts it.
pub(crate) fn settings_file() -> anyhow::Result<PathBuf> {
    let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = folder("LOCKSTEP_CONFIG") {
        return Ok(file);
    }
    let config = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
    let config = config.context("neither LOCKSTEP_CONFIG nor HOME says where the configuration file is")?;
    Ok(config.join("lockstep/config.yaml"))
}

/// A flag beats the environment, which beats the current context; a context named by a flag is taken as a whole.
///
/// A context's token goes to that context's server only: with another address, the token must be given too.
fn choose(args: &ConnectionArgs, environment: Environment, settings: &Settings) -> anyhow::Result<Target> {
    let (name, environment) = match &args.context {
        Some(name) if args.server.is_none() => (Some(name), Environment::default()),
        Some(name) => (Some(name), environment),
        None => (settings.current_context.as_ref(), environment),
    };
    let context = name.map(|name| settings.find(name)).transpose();
    // A current context that is gone does not matter to somebody who says everything.
    let context = if environment.token.is_some() { context.ok().flatten() } else { context? };
    let server = args.server.clone().or(environment.server).or_else(|| context.map(|c| c.server.clone()));
    let Some(server) = server else {
        bail!("not logged in: use `lockstep login --server https://host:8443 --token-file FILE`");
    };
    // Before a token is missed for an address that is none.
    transport::address(&server)?;
    let own = context.filter(|c| c.server.trim_end_matches('/') == server.trim_end_matches('/'));
    let certificate_authority = args.certificate_authority.clone().or(environment.certificate_authority);
    let certificate_authority = certificate_authority.or_else(|| own.and_then(|c| c.certificate_authority.clone()));
    let Some(token) = environment.token.or_else(|| own.map(|c| c.token.clone())) else {
        bail!("no token for {server}: log in with `lockstep login --server {server} --token-file FILE`, or set LOCKSTEP_TOKEN");
    };
    Ok(Target { server, certificate_authority, token })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Context;

    fn settings() -> Settings {
        let mut settings = Settings::default();
        for name in ["one", "two"] {
            settings.put(Context {
                name: name.to_owned(),
                server: format!("https://{name}:8443"),
                certificate_authority: Some(format!("/{name}.pem").into()),
                token: Token::read(name).unwrap(),
            });
        }
        settings
    }

    /// Context, server (flag); server, token (environment) => server, authority, token; or the error.
    type Case = (
        Option<&'static str>,
        Option<&'static str>,
        Option<&'static str>,
        Option<&'static str>,
        Result<[&'static str; 3], &'static str>,
    );

    const CASES: &[Case] = &[
        (None, None, None, None, Ok(["https://two:8443", "/two.pem", "two"])),
        (Some("one"), None, None, None, Ok(["https://one:8443", "/one.pem", "one"])),
        (Some("one"), None, Some("https://env"), Some("env"), Ok(["https://one:8443", "/one.pem", "one"])),
        (None, None, None, Some("env"), Ok(["https://two:8443", "/two.pem", "env"])),
        (None, None, Some("https://env"), Some("env"), Ok(["https://env", "", "env"])),
        (None, Some("https://flag"), Some("https://env"), Some("env"), Ok(["https://flag", "", "env"])),
        (None, Some("https://two:8443/"), None, None, Ok(["https://two:8443/", "/two.pem", "two"])),
        (None, Some("https://flag"), None, None, Err("no token for https://flag")),
        (Some("three"), None, None, None, Err("there is no context \"three\": there is one, two")),
    ];

    #[test]
    fn flags_beat_the_environment_and_tokens_stay_with_their_server() {
        for (context, server, env_server, env_token, want) in CASES {
            let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
            let args = ConnectionArgs { context: owned(*context), server: owned(*server), certificate_authority: None };
            let token = env_token.map(|t| Token::read(t).unwrap());
            let environment = Environment { server: owned(*env_server), certificate_authority: None, token };
            let got = choose(&args, environment, &settings());
            match (got, want) {
                (Ok(got), Ok([server, authority, token])) => {
                    let authority = Some(PathBuf::from(authority)).filter(|a| !a.as_os_str().is_empty());
                    let token = Token::read(token).unwrap();
                    assert_eq!(got, Target { server: (*server).to_owned(), certificate_authority: authority, token });
                }
                (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
                (got, want) => panic!("{got:?} is not {want:?}"),
            }
        }
    }

    #[test]
    fn without_any_context_one_is_told_how_to_log_in() {
        let error = choose(&ConnectionArgs::default(), Environment::default(), &Settings::default()).unwrap_err();
        assert!(error.to_string().starts_with("not logged in: use `lockstep login"), "{error}");
    }
}
