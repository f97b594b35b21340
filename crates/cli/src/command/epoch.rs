//! `lockstep epoch`.

use clap::Subcommand;
use lockstep_api::change::{Epoch, OpenEpoch};

use crate::connection::ConnectionArgs;
use crate::format::Format;
use crate::rest::client::Client;
use crate::table::cell::Cell;
use crate::table::{Style, Table};
use crate::{progress, terminal};

/// Show the registry's history, and confirm it after a backup was restored
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  lockstep epoch show
  lockstep epoch open --reason 'restored the backup of 3 May, checked the bindings'";

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the epoch, the newest change and what is held
    #[command(after_help = "Examples:\n  lockstep epoch show\n  lockstep epoch show -o json")]
    Show {
        /// Output format
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Open a new epoch: your word that the registry as it is now is right
    ///
    /// While the registry is held nothing is sent to any cluster. Look at the bindings first: what they say now is then delivered
    /// everywhere, also where it is older than what a cluster holds.
    #[command(after_help = "Examples:\n  lockstep epoch open --reason 'restored the backup of 3 May, checked the bindings'")]
    Open {
        /// Why; kept in the history
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Output format
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let client = connection.client()?;
        match &self.action {
            Action::Show { output } => {
                let epoch = progress::during("reading the epoch", client.get::<Epoch>(&["epoch"])).await?;
                print(&epoch, *output)?;
                if epoch.held.is_some() || epoch.held_clusters > 0 {
                    terminal::hint(
                        "Next: look at `lockstep get bindings`; if they are right: `lockstep epoch open --reason TEXT`.",
                    );
                }
                Ok(())
            }
            Action::Open { reason, output } => {
                let epoch = progress::during("opening an epoch", open(&client, reason)).await?;
                print(&epoch, *output)?;
                terminal::hint("Next: `lockstep status -w` shows the clusters getting in step.");
                Ok(())
            }
        }
    }
}

async fn open(client: &Client, reason: &str) -> anyhow::Result<Epoch> {
    anyhow::ensure!(!reason.trim().is_empty(), "say why with --reason: it is kept in the history");
    Ok(client.post(&["epoch"], &OpenEpoch { reason: reason.to_owned() }).await?)
}

fn print(epoch: &Epoch, output: Format) -> anyhow::Result<()> {
    let text = output.render(epoch, || {
        let mut table = Table::new(vec!["EPOCH", "CHANGE", "HELD-CLUSTERS", "HELD"]);
        let numbers = [epoch.epoch, epoch.seq, epoch.held_clusters].map(|n| Cell::text(&n));
        table.rows.push(numbers.into_iter().chain([Cell::optional(epoch.held.as_ref())]).collect());
        table.render(Style::of_stdout())
    })?;
    Ok(terminal::print(&text)?)
}
