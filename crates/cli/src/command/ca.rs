//! `lockstep ca`.

use clap::Subcommand;
use lockstep_api::certificate_authority::{CertificateAuthority, Counts, Root};

use crate::connection::ConnectionArgs;
use crate::format::Format;
use crate::table::cell::Cell;
use crate::table::{Style, Table};
use crate::{progress, terminal};

/// Show the CA, and how far its rotation is
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  lockstep ca status";

#[derive(Debug, Subcommand)]
enum Action {
    /// Show which roots there are, which signs, who trusts each and whose certificates chain to it, and whether to go on
    ///
    /// Issuers are made, chosen and removed in Vault: the server has no right to. docs/certificates.md has the commands of each step.
    #[command(after_help = "Examples:\n  lockstep ca status\n  lockstep ca status -o json")]
    Status {
        /// Output format
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

/// Digits of a key in the table; `-o json` shows all.
const KEY_CHARS: usize = 23;

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let Action::Status { output } = &self.action;
        let client = connection.client()?;
        let shown = progress::during("reading the CA", client.get::<CertificateAuthority>(&["certificateauthority"])).await?;
        let text = output.render(&shown, || {
            let mut table = Table::new(vec!["ROOT", "ISSUERS", "ROLE", "TRUSTED-BY", "CERTIFICATES", "EXPIRES", "READY"]);
            table.rows = shown.roots.iter().map(|root| row(root, &shown)).collect();
            table.render(Style::of_stdout())
        })?;
        terminal::print(&text)?;
        for root in &shown.roots {
            for note in &root.notes {
                terminal::hint(&format!("{}: {note}", short(&root.key)));
            }
        }
        terminal::hint(&format!("{}: {}. docs/certificates.md has the commands.", shown.phase, shown.message));
        Ok(())
    }
}

fn row(root: &Root, all: &CertificateAuthority) -> Vec<Cell> {
    let counts = |counts: Counts| {
        Cell::text(&format!("{}/{} replicas, {}/{} agents", counts.replicas, all.replicas.len(), counts.agents, all.agents))
    };
    let ready = root.ready.map(|ready| if ready { "yes" } else { "no" });
    vec![
        Cell::text(&short(&root.key)),
        Cell::text(&root.issuers.join(", ")),
        Cell::word(&root.role),
        counts(root.trusted_by),
        counts(root.certificates),
        Cell::Until(root.expires_at),
        Cell::optional(ready),
    ]
}

fn short(key: &str) -> String {
    key.chars().take(KEY_CHARS).collect()
}
