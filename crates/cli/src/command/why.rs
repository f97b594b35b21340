//! `lockstep why`.

use serde_json::Value;

use crate::connection::ConnectionArgs;
use crate::format::Format;
use crate::item::check_name;
use crate::kind::{Kind, Registered};
use crate::table::{self, Style};
use crate::{progress, terminal};

/// Say why a secret goes to a cluster, or what is missing: which binding and which grant
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The cluster
    cluster: String,
    /// The secret, as SOURCE/MOUNT/PATH
    secret: String,
    /// A namespace in the cluster
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  lockstep why prod-eu corp/kv/payments/checkout/db
  lockstep why prod-eu corp/kv/payments/checkout/db -n payments-prod";

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        check_name(Kind::Secret, &self.secret)?;
        let client = connection.client()?;
        let mut query = vec![("cluster", self.cluster.as_str()), ("secret", self.secret.as_str())];
        query.extend(self.namespace.as_deref().map(|namespace| ("namespace", namespace)));
        let answer = progress::during("asking why", client.ask::<Value>(&["why"], &query)).await;
        let answer = client.explained(Kind::Registered(Registered::Cluster), &self.cluster, answer).await?;
        let tables = table::of_why(&answer)?;
        let text = || {
            let verdict = if answer["allowed"] == true { "yes" } else { "no" };
            let mut text = format!("{verdict}: {}\n", answer["summary"].as_str().unwrap_or_default());
            for table in tables.iter().filter(|table| !table.rows.is_empty()) {
                text.push('\n');
                text.push_str(&table.render(Style::of_stdout()));
            }
            text
        };
        Ok(terminal::print(&self.output.render(&answer, text)?)?)
    }
}
