//! `lockstep cluster`.

mod helm;
mod join;
mod register;

use std::time::Duration;

use anyhow::ensure;
use clap::Subcommand;
use lockstep_core::name::Namespace;
use serde_json::{Value, json};

use self::join::TokenFormat;
use super::aftermath;
use crate::age;
use crate::connection::ConnectionArgs;
use crate::kind::{Kind, Registered};
use crate::rest::client::Client;
use crate::rest::write::Secrets;
use crate::selection::title;
use crate::terminal;

/// Register clusters, and pause, resume, revoke, rejoin and remove them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  lockstep cluster register prod-eu --label env=prod --label region=eu
  lockstep cluster pause prod-eu
  lockstep cluster remove prod-eu";

const REGISTER_EXAMPLES: &str = "\
Examples:
  lockstep cluster register prod-eu --label env=prod --label region=eu
  # The commands that install the agent with Helm, to be run where kubectl and helm reach the cluster
  lockstep cluster register prod-eu --label env=prod -o helm --deliver-to shop-prod
  # For scripts
  lockstep cluster register prod-eu -o json | jq -r .token > token";

const REVOKE_EXAMPLES: &str = "\
Examples:
  # Its workloads go on with what they have
  lockstep cluster revoke prod-eu
  # Also remove what was delivered there; a cluster that is away is asked when it comes back
  lockstep cluster revoke prod-eu --purge && lockstep wait --for=condition=Purged cluster/prod-eu";

const REJOIN_EXAMPLES: &str = "\
Examples:
  lockstep cluster rejoin prod-eu
  # The commands that install the agent with Helm, to be run where kubectl and helm reach the cluster
  lockstep cluster rejoin prod-eu -o helm --deliver-to shop-prod";

const REMOVE_EXAMPLES: &str = "\
Examples:
  # Its workloads go on with what they have
  lockstep cluster remove prod-eu && lockstep wait --for=delete cluster/prod-eu
  # Nothing that was delivered is left there; this needs no `lockstep confirm`
  lockstep cluster remove prod-eu --secrets=purge
  # The cluster is no more, and its agent neither
  lockstep cluster remove prod-eu --force";

#[derive(Debug, Subcommand)]
enum Action {
    /// Register a cluster and make the token its agent joins with
    #[command(after_help = REGISTER_EXAMPLES)]
    Register(register::Args),
    /// Send nothing to a cluster until it is resumed
    #[command(after_help = "Examples:\n  lockstep cluster pause prod-eu")]
    Pause {
        /// The cluster
        name: String,
    },
    /// Send to a paused cluster again
    #[command(after_help = "Examples:\n  lockstep cluster resume prod-eu")]
    Resume {
        /// The cluster
        name: String,
    },
    /// Refuse a cluster's certificates from now on, and cut its agent off
    ///
    /// What the cluster holds stays, unless --purge is given. Whether its agent is to be trusted is yours to know: one that was taken over removes
    /// nothing, so change what it held at its source. To use the cluster again: `lockstep cluster rejoin`.
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke {
        /// The cluster
        name: String,
        /// Have its agent remove all that was delivered, whatever its bindings say; this needs no `lockstep confirm`. May be said later, too
        #[arg(long)]
        purge: bool,
    },
    /// Make a cluster ready to be joined anew, and the token its new agent joins with
    ///
    /// For a cluster whose agent was lost, that was revoked, or that was built anew under its name. Its new agent gets everything again; the
    /// certificates of the one before are refused from now on.
    #[command(after_help = REJOIN_EXAMPLES)]
    Rejoin {
        /// The cluster
        name: String,
        #[command(flatten)]
        token: TokenArgs,
    },
    /// Forget a cluster, and keep or delete what it holds, whatever its bindings say
    ///
    /// Waits for its agent, which must be connected. Until the agent has followed, --secrets may be given anew. Of a cluster that was destroyed,
    /// no agent will ever follow: --force.
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// The cluster
        name: String,
        /// What becomes of the Secrets that it holds
        #[arg(long, value_enum, default_value_t)]
        secrets: Secrets,
        /// Its agent is gone for good: forget the cluster at once. What it holds stays there, and its certificates are refused
        #[arg(long, conflicts_with = "secrets")]
        force: bool,
    },
    /// Make a new join token, for an agent that lost its identity
    #[command(after_help = "Examples:\n  lockstep cluster token prod-eu --ttl 10m")]
    Token {
        /// The cluster
        name: String,
        #[command(flatten)]
        token: TokenArgs,
    },
    /// Take back every join token that nobody has used
    #[command(after_help = "Examples:\n  lockstep cluster revoke-tokens prod-eu")]
    RevokeTokens {
        /// The cluster
        name: String,
    },
}

/// Of a join token.
#[derive(Debug, Clone, clap::Args)]
struct TokenArgs {
    /// How long the token may be used, at most a day
    #[arg(long, default_value = "1h", value_parser = age::parse, value_name = "DURATION")]
    ttl: Duration,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: TokenFormat,
    /// With -o helm: a namespace that the agent may deliver Secrets to; may be repeated
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',')]
    deliver_to: Vec<Namespace>,
}

impl TokenArgs {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.deliver_to.is_empty() || self.output == TokenFormat::Helm, "--deliver-to goes with -o helm only");
        Ok(())
    }
}

const CLUSTER: Kind = Kind::Registered(Registered::Cluster);

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let client = connection.client()?;
        match &self.action {
            Action::Register(args) => args.run(&client).await,
            Action::Pause { name } => {
                turn(&client, name, "pause").await?;
                terminal::hint(&format!("Next: `lockstep cluster resume {name}` sends what was missed."));
                Ok(())
            }
            Action::Resume { name } => turn(&client, name, "resume").await,
            Action::Revoke { name, purge } => revoke(&client, name, *purge).await,
            Action::Rejoin { name, token } => join::rejoin(&client, name, token).await,
            Action::Remove { name, force: true, .. } => forget(&client, name).await,
            Action::Remove { name, secrets, force: false } => {
                let left = client.remove_cluster(name, *secrets).await;
                client.explained(CLUSTER, name, left).await?;
                terminal::tell(&format!("{} removing", title(Registered::Cluster, name)))?;
                aftermath::tell_of_cluster(&client, name, *secrets).await;
                Ok(())
            }
            Action::Token { name, token } => join::make_token(&client, name, token).await,
            Action::RevokeTokens { name } => {
                let revoked = client.revoke_join_tokens(name).await;
                client.explained(CLUSTER, name, revoked).await?;
                Ok(terminal::tell(&format!("{} join tokens revoked", title(Registered::Cluster, name)))?)
            }
        }
    }
}

async fn revoke(client: &Client, name: &str, purge: bool) -> anyhow::Result<()> {
    let revoked = client.revoke_cluster(name, purge).await;
    let cluster = client.explained(CLUSTER, name, revoked).await?;
    terminal::tell(&format!("{} revoked", title(Registered::Cluster, name)))?;
    let condition = |cluster: &Value| {
        let conditions = cluster.pointer("/status/conditions").and_then(Value::as_array);
        conditions.into_iter().flatten().any(|c| c["type"] == "Purged")
    };
    terminal::hint(&match (purge, condition(&cluster)) {
        (true, true) => format!("Next: `lockstep wait --for=condition=Purged cluster/{name}` waits for its agent's word."),
        (true, false) => "No agent ever joined it, so there is nothing to remove.".to_owned(),
        (false, _) => format!("What it holds stays. `lockstep cluster rejoin {name}` makes it ready to be joined anew."),
    });
    Ok(())
}

/// Says what stays there, to everybody: nobody will say it later.
async fn forget(client: &Client, name: &str) -> anyhow::Result<()> {
    let bindings = aftermath::bindings(client, name).await?;
    let forgotten = client.forget_cluster(name).await;
    client.explained(CLUSTER, name, forgotten).await?;
    terminal::tell(&format!("{} removed", title(Registered::Cluster, name)))?;
    terminal::note(&aftermath::of_forgotten(&bindings));
    Ok(())
}

async fn turn(client: &Client, name: &str, verb: &str) -> anyhow::Result<()> {
    let turned = client.post::<Value>(&[Registered::Cluster.plural(), name, verb], &json!({})).await;
    client.explained(CLUSTER, name, turned).await?;
    Ok(terminal::tell(&format!("{} {verb}d", title(Registered::Cluster, name)))?)
}
