//! `lockstep rollback`.

use anyhow::bail;
use lockstep_api::binding::Rollback;

use super::apply::DryRun;
use super::pinned;
use crate::connection::ConnectionArgs;
use crate::kind::{Kind, Registered};
use crate::rest::write::{Mode, Outcome};
use crate::selection::title;
use crate::{progress, terminal};

/// Deliver an earlier version of a binding's secret, and stay there
///
/// The binding is pinned to a version that its source still has: the one before the one that is delivered, or another. Newer versions wait
/// until `lockstep unpin`. To apply the binding's manifest without `version` takes the pin off, too.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The binding
    name: String,
    /// To this version
    #[arg(long, value_name = "VERSION")]
    to: Option<u64>,
    /// Of this secret, where the binding delivers several
    #[arg(long, value_name = "MOUNT/PATH")]
    item: Option<String>,
    /// Change nothing: `server` says whether it can be done
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    dry_run: DryRun,
}

const EXAMPLES: &str = "\
Examples:
  lockstep rollback checkout-db
  lockstep rollback checkout-db --to 3 --item kv/payments/checkout/db
  # Follow the newest version again
  lockstep unpin checkout-db";

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let mode = mode(self.dry_run)?;
        let client = connection.client()?;
        let wanted = Rollback { to: self.to, item: self.item.clone() };
        let done = progress::during("rolling back", client.rollback(&self.name, &wanted, mode)).await;
        let (outcome, manifest) = client.explained(Kind::Registered(Registered::Binding), &self.name, done).await?;
        let binding = title(Registered::Binding, &self.name);
        for line in pinned::lines(&manifest) {
            terminal::tell(&format!("{binding} {outcome}: {line}{}", mode.suffix()))?;
        }
        if outcome != Outcome::Unchanged && mode == Mode::Keep {
            let name = &self.name;
            terminal::hint(&format!(
                "Next: `lockstep wait --for=condition=InSync binding/{name}` until all clusters have it. Newer versions wait until `lockstep unpin {name}`."
            ));
        }
        Ok(())
    }
}

/// What `--dry-run` asks for.
pub(super) fn mode(dry_run: DryRun) -> anyhow::Result<Mode> {
    Ok(match dry_run {
        DryRun::None => Mode::Keep,
        DryRun::Server => Mode::DryRun,
        DryRun::Client => bail!("only the server knows the versions: use --dry-run=server"),
    })
}
