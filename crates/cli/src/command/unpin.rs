//! `lockstep unpin`.

use lockstep_api::binding::Unpin;

use super::apply::DryRun;
use super::{pinned, rollback};
use crate::connection::ConnectionArgs;
use crate::kind::{Kind, Registered};
use crate::selection::title;
use crate::{progress, terminal};

/// Let a binding's secrets follow their newest versions again
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The binding
    name: String,
    /// This secret only
    #[arg(long, value_name = "MOUNT/PATH")]
    item: Option<String>,
    /// Change nothing: `server` says what would be done
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    dry_run: DryRun,
}

const EXAMPLES: &str = "\
Examples:
  lockstep unpin checkout-db
  lockstep unpin checkout-db --item kv/payments/checkout/db";

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let mode = rollback::mode(self.dry_run)?;
        let client = connection.client()?;
        let wanted = Unpin { item: self.item.clone() };
        let done = progress::during("unpinning", client.unpin(&self.name, &wanted, mode)).await;
        let (outcome, manifest) = client.explained(Kind::Registered(Registered::Binding), &self.name, done).await?;
        terminal::tell(&format!("{} {outcome}{}", title(Registered::Binding, &self.name), mode.suffix()))?;
        for line in pinned::lines(&manifest) {
            terminal::note(&line);
        }
        Ok(())
    }
}
