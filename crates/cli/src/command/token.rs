//! `lockstep token`.

use std::time::Duration;

use anyhow::Context;
use lockstep_api::access::Scope;
use lockstep_api::selector::Selector as WireSelector;
use lockstep_api::token::{MintedToken, TokenRequest};
use lockstep_core::access::Role;
use lockstep_core::name::{ProjectName, TokenName};
use lockstep_core::selector::Selector;

use crate::connection::ConnectionArgs;
use crate::format::Format;
use crate::kind::Kind;
use crate::rest::client::Client;
use crate::{age, progress, terminal};

/// Make and revoke API tokens, with which people and jobs call the server
///
/// `lockstep get tokens` lists them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  # For the job that applies one team's manifests; the token is all that is printed
  lockstep token create payments-ci --role operator --project payments --ttl 90d > token
  # For the people who run the clusters of one region, and for an auditor
  lockstep token create eu-ops --role operator --clusters region=eu
  lockstep token create audit --role auditor --everything
  lockstep token revoke payments-ci";

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a token; this is the only time it is shown
    #[command(after_help = "Examples:\n  lockstep token create payments-ci --role operator --project payments --ttl 90d > token")]
    Create(CreateArgs),
    /// Revoke a token: it is refused from now on
    #[command(after_help = "Examples:\n  lockstep token revoke payments-ci")]
    Revoke {
        /// The token's name
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// What its changes are recorded under, as token:NAME
    name: TokenName,
    /// What it may do: viewer, operator, admin or auditor
    #[arg(long)]
    role: Role,
    #[command(flatten)]
    scope: ScopeArgs,
    /// How long it lives, at most 365d
    #[arg(long, default_value = "90d", value_parser = age::parse, value_name = "DURATION")]
    ttl: Duration,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Output format, instead of the token alone
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Where the role counts.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct ScopeArgs {
    /// In this project
    #[arg(long, value_name = "NAME")]
    project: Option<ProjectName>,
    /// For clusters with these labels, and what is delivered to them
    #[arg(long, value_name = "SELECTOR")]
    clusters: Option<Selector>,
    /// Everywhere
    #[arg(long)]
    everything: bool,
}

impl From<&ScopeArgs> for Scope {
    fn from(args: &ScopeArgs) -> Self {
        Self {
            everything: args.everything,
            project: args.project.as_ref().map(ToString::to_string),
            clusters: args.clusters.as_ref().map(WireSelector::from),
        }
    }
}

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let client = connection.client()?;
        match &self.action {
            Action::Create(args) => args.run(&client).await,
            Action::Revoke { name } => {
                client.revoke_token(name).await?;
                Ok(terminal::tell(&format!("token/{name} revoked"))?)
            }
        }
    }
}

impl CreateArgs {
    async fn run(&self, client: &Client) -> anyhow::Result<()> {
        let ttl_seconds = u32::try_from(self.ttl.as_secs()).context("the token's life is too long: at most 365d")?;
        let request = TokenRequest {
            name: self.name.to_string(),
            role: self.role.to_string(),
            scope: (&self.scope).into(),
            ttl_seconds: Some(ttl_seconds),
            description: self.description.clone(),
        };
        let minted: MintedToken = progress::during("making a token", client.post(&[Kind::Token.plural()], &request)).await?;
        terminal::print(&self.output.render(&minted, || format!("{}\n", minted.token))?)?;
        terminal::hint(&format!(
            "This is the only time that it is shown. Next: `lockstep login --token-file FILE` with it, or LOCKSTEP_TOKEN in a job; `lockstep token revoke {}` ends it.",
            self.name
        ));
        Ok(())
    }
}
