//! `lockstep confirm`.

use anyhow::bail;
use lockstep_api::cluster::ConfirmedDeletions;

use super::apply::DryRun;
use crate::connection::ConnectionArgs;
use crate::kind::{Kind, Registered};
use crate::rest::client::Client;
use crate::rest::write::Mode;
use crate::selection::title;
use crate::{progress, terminal};

/// Let the deletions pass that the delete guard holds back in a cluster
///
/// A cluster loses no more than its share at once (agents.deleteGuardPercent, 20 % by default): what is more waits until somebody confirms it.
/// Says first how many there are and of which bindings, and confirms all that were decided until then.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The cluster
    name: String,
    /// Change nothing: `server` says what would be deleted
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    dry_run: DryRun,
}

const EXAMPLES: &str = "\
Examples:
  # What would go
  lockstep confirm prod-eu --dry-run=server
  lockstep confirm prod-eu";

const CLUSTER: Kind = Kind::Registered(Registered::Cluster);

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let mode = match self.dry_run {
            DryRun::None => Mode::Keep,
            DryRun::Server => Mode::DryRun,
            DryRun::Client => bail!("only the server knows what waits: use --dry-run=server"),
        };
        let (client, cluster) = (connection.client()?, title(Registered::Cluster, &self.name));
        let waiting = self.confirm(&client, Mode::DryRun).await?;
        terminal::note(&waits(&cluster, &waiting));
        let confirmed = match mode {
            Mode::DryRun => waiting,
            Mode::Keep => self.confirm(&client, mode).await?,
        };
        let outcome = match confirmed.deletions {
            0 => "unchanged".to_owned(),
            1 => "1 deletion confirmed".to_owned(),
            n => format!("{n} deletions confirmed"),
        };
        terminal::tell(&format!("{cluster} {outcome}{}", mode.suffix()))?;
        if confirmed.deletions > 0 && mode == Mode::Keep {
            terminal::hint(&format!("Next: `lockstep get placements --cluster {} -w` shows them go.", self.name));
        }
        Ok(())
    }

    async fn confirm(&self, client: &Client, mode: Mode) -> anyhow::Result<ConfirmedDeletions> {
        let confirmed = progress::during("confirming deletions", client.confirm_deletions(&self.name, mode)).await;
        client.explained(CLUSTER, &self.name, confirmed).await
    }
}

fn waits(cluster: &str, waiting: &ConfirmedDeletions) -> String {
    let ConfirmedDeletions { deletions, bindings, .. } = waiting;
    let names = bindings.join(", ");
    let more = deletions.saturating_sub(bindings.len() as u64);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    match deletions {
        0 => format!("no deletion waits in {cluster}"),
        1 => format!("1 deletion waits in {cluster}: {names}"),
        n => format!("{n} deletions wait in {cluster}: {names}{more}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_named() {
        let waiting = |deletions, bindings: &[&str]| {
            let bindings = bindings.iter().map(|b| (*b).to_owned()).collect();
            waits("cluster/eu", &ConfirmedDeletions { cluster: "eu".to_owned(), deletions, bindings })
        };
        assert_eq!(waiting(0, &[]), "no deletion waits in cluster/eu");
        assert_eq!(waiting(1, &["a"]), "1 deletion waits in cluster/eu: a");
        assert_eq!(waiting(2, &["a", "b"]), "2 deletions wait in cluster/eu: a, b");
        assert_eq!(waiting(7, &["a", "b"]), "7 deletions wait in cluster/eu: a, b and 5 more");
    }
}
