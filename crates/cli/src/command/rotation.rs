//! `lockstep rotation`.

use lockstep_api::rotation::Rotation;
use serde_json::{Value, json};

use crate::connection::ConnectionArgs;
use crate::format::{self, ListFormat};
use crate::kind::{Kind, Registered};
use crate::rest::client::Client;
use crate::selection::title;
use crate::table::{self, Style, Width};
use crate::{progress, terminal};

/// Run rotations now, pause and resume them, and see what their runs did
///
/// `lockstep get rotations` lists them, `lockstep apply` writes them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  lockstep rotation run checkout-db
  lockstep rotation history checkout-db
  lockstep rotation pause checkout-db
  lockstep rotation resume checkout-db";

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Begin a run now, whether or not it is due, paused or within a maintenance window
    #[command(
        after_help = "Examples:\n  lockstep rotation run checkout-db\n  # Where each cluster has its own certificate, of one of them\n  lockstep rotation run web-tls --cluster eu-1"
    )]
    Run {
        /// The rotation
        name: String,
        /// Where each cluster has its own: only of this one
        #[arg(long)]
        cluster: Option<String>,
    },
    /// Let no run begin by itself; one under way comes to its end
    #[command(after_help = "Examples:\n  lockstep rotation pause checkout-db")]
    Pause {
        /// The rotation
        name: String,
    },
    /// Let runs begin by themselves again, from the next due time on
    #[command(after_help = "Examples:\n  lockstep rotation resume checkout-db")]
    Resume {
        /// The rotation
        name: String,
    },
    /// Show a rotation's runs, the newest first
    #[command(
        after_help = "Examples:\n  lockstep rotation history checkout-db\n  # With each stage and its time\n  lockstep rotation history checkout-db -o wide"
    )]
    History {
        /// The rotation
        name: String,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Output format; `wide` also shows each stage and when it was entered
        #[arg(short, long, value_enum, default_value_t)]
        output: ListFormat,
    },
}

const ROTATION: Kind = Kind::Registered(Registered::Rotation);

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let client = connection.client()?;
        match &self.action {
            Action::Run { name, cluster } => run(&client, name, cluster.as_deref()).await,
            Action::Pause { name } => {
                turn(&client, name, "pause").await?;
                terminal::hint(&format!("Next: `lockstep rotation resume {name}`; what is due until then is not made up for."));
                Ok(())
            }
            Action::Resume { name } => turn(&client, name, "resume").await,
            Action::History { name, limit, output } => history(&client, name, *limit, *output).await,
        }
    }
}

/// Begins a run; where each cluster has its own and none is named, of each that has none under way.
async fn run(client: &Client, name: &str, cluster: Option<&str>) -> anyhow::Result<()> {
    let of_each = if cluster.is_some() {
        Vec::new()
    } else {
        let found = client.get::<Rotation>(&[ROTATION.plural(), name]).await;
        client.explained(ROTATION, name, found).await?.status.map(|status| status.clusters).unwrap_or_default()
    };
    if of_each.is_empty() {
        let begun = client.run_rotation(name, cluster).await;
        let run = client.explained(ROTATION, name, begun).await?;
        terminal::tell(&format!("{} running", title(Registered::Rotation, name)))?;
        terminal::hint(&format!("Run {}. Next: `lockstep rotation history {name}` shows how it goes.", run.id));
        return Ok(());
    }
    for of in of_each.iter().filter(|of| !["Running", "Held"].contains(&of.state.as_str())) {
        let begun = client.run_rotation(name, Some(&of.cluster)).await;
        client.explained(ROTATION, name, begun).await?;
        terminal::tell(&format!("{} running in cluster {}", title(Registered::Rotation, name), of.cluster))?;
    }
    terminal::hint(&format!("Next: `lockstep rotation history {name}` shows how they go."));
    Ok(())
}

async fn turn(client: &Client, name: &str, verb: &str) -> anyhow::Result<()> {
    let turned = client.post::<Value>(&[ROTATION.plural(), name, verb], &json!({})).await;
    client.explained(ROTATION, name, turned).await?;
    Ok(terminal::tell(&format!("{} {verb}d", title(Registered::Rotation, name)))?)
}

async fn history(client: &Client, name: &str, limit: usize, output: ListFormat) -> anyhow::Result<()> {
    let answered = progress::during("reading runs", client.rotation_runs(name, limit)).await;
    let page = client.explained(ROTATION, name, answered).await?;
    let table = |width| Ok(table::of_runs(&page.items, width)?.render(Style::of_stdout()));
    terminal::print(&match output {
        ListFormat::Table => table(Width::Usual),
        ListFormat::Wide => table(Width::All),
        ListFormat::Json => format::json(&page),
        ListFormat::Yaml => format::yaml(&page),
        ListFormat::Name => {
            let ids: Vec<_> = page.items.iter().map(|run| run["id"].as_str().unwrap_or_default()).collect();
            Ok(ids.join("\n") + "\n")
        }
    }?)?;
    if page.items.is_empty() {
        terminal::hint(&format!("No run yet. `lockstep rotation run {name}` begins one."));
    }
    Ok(())
}
