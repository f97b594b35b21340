//! `lockstep login`.

use std::io::Read;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context as _, bail};
use lockstep_api::access::Access;
use lockstep_api::token::Caller;

use crate::connection::{ConnectionArgs, Environment, settings_file};
use crate::rest::client::Client;
use crate::rest::failure::TokenOrigin;
use crate::rest::login_methods;
use crate::settings::{Context, Settings, Token};
use crate::{private, progress, sso, table, terminal};

/// Log in to a server: check the token and keep it as a context
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// File that holds the token
    #[arg(long, value_name = "FILE", conflicts_with = "token_stdin")]
    token_file: Option<PathBuf>,
    /// Read the token from standard input
    #[arg(long)]
    token_stdin: bool,
    /// Log in with a browser, at an OIDC issuer that the server names
    #[arg(long, conflicts_with_all = ["token_file", "token_stdin"])]
    sso: bool,
    /// Which issuer, if the server names several
    #[arg(long, value_name = "NAME", requires = "sso")]
    issuer: Option<String>,
    /// PEM file of the authority that signed the issuer's certificate, instead of those that this machine trusts
    #[arg(long, value_name = "FILE", requires = "sso")]
    issuer_certificate_authority: Option<PathBuf>,
    /// Port that the browser comes back to, if the issuer allows one only
    #[arg(long, value_name = "PORT", requires = "sso")]
    callback_port: Option<u16>,
}

const EXAMPLES: &str = "\
Examples:
  lockstep login --server https://lockstep.example.com:8443 --token-file token
  # With a private certificate authority, the token from a password store, kept as the context `prod`
  pass lockstep/prod | lockstep login --context prod --server https://10.0.0.5:8443 --certificate-authority ca.pem --token-stdin
  # With a browser, where the server's configuration names an issuer
  lockstep login --server https://lockstep.example.com:8443 --sso
  # Without a file, from the environment
  LOCKSTEP_TOKEN=… lockstep login --server https://lockstep.example.com:8443";

/// What a context is called if nobody says.
const DEFAULT_NAME: &str = "default";
/// A token is far smaller; a wrong file should not be read as one.
const TOKEN_MAX_BYTES: u64 = 16 * 1024;

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let file = settings_file()?;
        let mut settings = Settings::load(&file)?;
        let context = self.context(connection, Environment::read()?, &settings).await?;
        let is_given = self.token_file.is_some() || self.token_stdin || self.sso;
        let origin = if is_given { TokenOrigin::Login } else { TokenOrigin::Environment };
        let client =
            Client::new(&context.server, context.certificate_authority.as_ref(), context.token.reveal().to_owned(), origin)?;
        let caller: Caller = progress::during("checking the token", client.get(&["caller"])).await?;
        let (name, server) = (context.name.clone(), context.server.clone());
        settings.put(context);
        settings.save(&file)?;
        terminal::tell(&format!("Logged in to {server} as {} (context {name}): {}.", caller.actor, may(&caller.access)))?;
        terminal::hint("Next: `lockstep status` shows the clusters; `lockstep cluster register NAME` adds one.");
        Ok(())
    }

    /// The context to keep. Logging in again to a known context needs nothing but the new token.
    async fn context(&self, args: &ConnectionArgs, environment: Environment, settings: &Settings) -> anyhow::Result<Context> {
        let current = settings.current_context.as_deref();
        let given = args.server.clone().or(environment.server);
        let name = args.context.as_deref().or(current.filter(|_| given.is_none())).unwrap_or(DEFAULT_NAME);
        let known = settings.contexts.iter().find(|c| c.name == name);
        let server = given.or_else(|| known.map(|c| c.server.clone()));
        let server = server.context("say which server with --server https://host:8443")?;
        let authority = args.certificate_authority.clone().or(environment.certificate_authority);
        let authority = authority.or_else(|| known.filter(|c| c.server == server)?.certificate_authority.clone());
        let authority = authority.map(absolute).transpose().context("finding the certificate authority's file")?;
        let token = if self.sso { self.log_in(&server, authority.as_ref()).await? } else { self.token(environment.token)? };
        Ok(Context { name: name.to_owned(), server, certificate_authority: authority, token })
    }

    async fn log_in(&self, server: &str, authority: Option<&PathBuf>) -> anyhow::Result<Token> {
        let methods = progress::during("asking how to log in", login_methods::ask(server, authority)).await?;
        let options = sso::Options {
            certificate_authority: self.issuer_certificate_authority.as_ref(),
            port: self.callback_port.unwrap_or_default(),
        };
        sso::log_in(sso::choose(&methods, self.issuer.as_deref())?, &options).await
    }

    fn token(&self, environment: Option<Token>) -> anyhow::Result<Token> {
        if let Some(file) = &self.token_file {
            // Only said: `lockstep token create … > token` makes such a file wherever nobody set a umask.
            if let Err(exposed) = private::check(file) {
                terminal::hint(&format!("Warning: {exposed:#}"));
            }
            return Token::read(&read(file)?).with_context(|| format!("reading {}", file.display()));
        }
        if self.token_stdin {
            let mut text = String::new();
            std::io::stdin().lock().take(TOKEN_MAX_BYTES).read_to_string(&mut text).context("reading standard input")?;
            return Token::read(&text).context("reading standard input");
        }
        match environment {
            Some(token) => Ok(token),
            None => bail!("say who you are with --token-file FILE, --token-stdin or LOCKSTEP_TOKEN, or log in with --sso"),
        }
    }
}

/// In words, what a caller may do.
pub(super) fn may(access: &[Access]) -> String {
    if access.is_empty() {
        return "no role yet, so ask an administrator for a role assignment".to_owned();
    }
    let one = |access: &Access| format!("{} of {}", access.role, table::scope(&access.scope));
    access.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn read(file: &Path) -> anyhow::Result<String> {
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(file)?.take(TOKEN_MAX_BYTES).read_to_string(&mut text)?;
        Ok(text)
    };
    read().with_context(|| format!("cannot read the token in {}", file.display()))
}
