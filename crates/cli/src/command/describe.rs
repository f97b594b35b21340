//! `lockstep describe`.

mod deliveries;
mod sections;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::connection::ConnectionArgs;
use crate::item;
use crate::kind::{Kind, Registered};
use crate::rest::client::Client;
use crate::selection::{Selection, title};
use crate::table::{self, Style, Table, Width};
use crate::{progress, terminal};
use sections::Sections;

/// Show everything about one thing: what is wanted, how it is and why, and what changed last
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// KIND NAME or KIND/NAME
    #[arg(value_name = "KIND NAME", required = true)]
    words: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  lockstep describe binding checkout-db
  lockstep describe cluster/prod-eu
  lockstep describe secret corp/kv/payments/checkout/db";

const CHANGES_SHOWN: usize = 10;

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let Selection { kind, names } = Selection::read(&self.words)?;
        ensure!(!names.is_empty(), "say which, such as `lockstep describe {} NAME`", kind.singular());
        let client = connection.client()?;
        for name in &names {
            let text = progress::during(&format!("reading {}/{name}", kind.singular()), describe(&client, kind, name)).await?;
            terminal::print(&text)?;
        }
        Ok(())
    }
}

async fn describe(client: &Client, kind: Kind, name: &str) -> anyhow::Result<String> {
    if let Kind::Registered(registered) = kind {
        return describe_registered(client, registered, name).await;
    }
    // These have no address of their own.
    let items = client.list(kind, &[]).await?;
    let found = items.into_iter().find(|item| item::name(kind, item) == name);
    let found = found.with_context(|| format!("not found: there is no {} {name:?}", kind.singular()))?;
    Ok(Sections::default().fields(&found).finish())
}

async fn describe_registered(client: &Client, kind: Registered, name: &str) -> anyhow::Result<String> {
    let manifest: Value = client.get(&[kind.plural(), name]).await?;
    let sections = Sections::default().manifest(&manifest).table("Conditions", &conditions(&manifest)?, None);
    let sections = match kind {
        Registered::Cluster | Registered::Binding => {
            let (table, more) = deliveries::fetch(client, kind, &manifest).await?;
            sections.table("Deliveries", &table, more)
        }
        Registered::Project | Registered::Source | Registered::Grant => sections,
    };
    let changes = client.first(Kind::Change, &[("subject", &title(kind, name))], CHANGES_SHOWN).await?;
    Ok(sections.table("Last changes", &table::of(Kind::Change, &changes, Width::Usual)?, None).finish())
}

fn conditions(manifest: &Value) -> anyhow::Result<Table> {
    table::of_conditions(item::conditions(manifest))
}

impl Sections {
    /// A table below its title; `more` says how to see what is not shown.
    fn table(self, title: &str, table: &Table, more: Option<String>) -> Self {
        if table.rows.is_empty() {
            return self.line(title, "<none>");
        }
        let text = table.render(Style::of_stdout());
        self.block(title, &format!("{text}{}", more.unwrap_or_default()))
    }
}
