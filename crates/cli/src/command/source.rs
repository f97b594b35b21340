//! `lockstep source`.

use lockstep_api::source::{SourceCheck, SourcePolicy};
use serde_json::json;

use crate::command::Told;
use crate::connection::ConnectionArgs;
use crate::format::Format;
use crate::kind::{Kind, Registered};
use crate::{progress, terminal};

/// Check a source, and write the policy that it needs
///
/// `lockstep get sources` lists them; they are written by `lockstep apply`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  lockstep source check corp
  # The least that watching and reading what is bound now needs
  lockstep source policy corp > lockstep-source.hcl
  vault policy write lockstep-source lockstep-source.hcl";

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Try what watching and reading need: an active node, a login, the rights for every bound path
    ///
    /// Reads no secret. Exits with 1 if something is missing.
    #[command(after_help = "Examples:\n  lockstep source check corp")]
    Check {
        /// The source
        name: String,
        /// Output format
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Write the least Vault policy for what is bound now, in HCL
    ///
    /// For the server's own credentials; or, where the source has readAs: Cluster, for a cluster that reads for itself.
    #[command(
        after_help = "Examples:\n  lockstep source policy corp > lockstep-source.hcl\n  lockstep source policy corp --cluster eu-1 > eu-1.hcl"
    )]
    Policy {
        /// The source
        name: String,
        /// What this cluster reads for itself
        #[arg(long)]
        cluster: Option<String>,
    },
}

const SOURCE: Kind = Kind::Registered(Registered::Source);

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let client = connection.client()?;
        match &self.action {
            Action::Check { name, output } => {
                let path = [SOURCE.plural(), name, "check"];
                let checked = progress::during("checking the source", client.post::<SourceCheck>(&path, &json!({}))).await;
                let checked = client.explained(SOURCE, name, checked).await?;
                terminal::print(&output.render(&checked, || for_people(&checked))?)?;
                if checked.ok { Ok(()) } else { Err(Told.into()) }
            }
            Action::Policy { name, cluster } => {
                let query: Vec<(&str, &str)> = cluster.iter().map(|cluster| ("cluster", cluster.as_str())).collect();
                let policy = client.ask::<SourcePolicy>(&[SOURCE.plural(), name, "policy"], &query).await;
                let SourcePolicy { secrets, policy } = client.explained(SOURCE, name, policy).await?;
                terminal::print(&policy)?;
                terminal::hint(&format!("For {secrets} bound secrets. Next: `vault policy write NAME FILE` with it."));
                Ok(())
            }
        }
    }
}

fn for_people(checked: &SourceCheck) -> String {
    let line = |step: &lockstep_api::source::CheckStep| {
        format!("{:<9} {:<7} {}\n", step.what, if step.ok { "ok" } else { "FAILED" }, step.text)
    };
    let lines: String = checked.steps.iter().map(line).collect();
    format!("{lines}(tried from replica {})\n", checked.replica)
}
