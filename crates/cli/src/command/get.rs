//! `lockstep get`.

mod filter;

use anyhow::bail;
use serde_json::Value;

use super::watch;
use crate::connection::ConnectionArgs;
use crate::format::{ListFormat, json, yaml};
use crate::item;
use crate::kind::Kind;
use crate::rest::client::Client;
use crate::selection::Selection;
use crate::table::{self, Style, Width};
use crate::{progress, terminal};
use filter::Filter;

/// List things, or show some by name
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// KIND, KIND NAME… or KIND/NAME…: projects, clusters, sources, grants, bindings, secrets, placements, deliveries, changes
    #[arg(value_name = "KIND [NAME]", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// After listing, look every second and print what has changed
    #[arg(short, long)]
    watch: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

const EXAMPLES: &str = "\
Examples:
  lockstep get clusters -l env=prod -o wide
  lockstep get binding checkout-db -o yaml
  # What is not in sync, and why; what is known of a source's secrets; who changed what
  lockstep get deliveries --cluster prod-eu --status Failed
  lockstep get secrets --source corp
  lockstep get changes --subject binding/checkout-db
  # Look on
  lockstep get deliveries --binding checkout-db -w";

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let selection = Selection::read(&self.words)?;
        self.filter.check(selection.kind)?;
        let client = connection.client()?;
        let what = format!("reading {}", selection.kind);
        let items = progress::during(&what, self.fetch(&client, &selection)).await?;
        if items.is_empty() && matches!(self.output, ListFormat::Table | ListFormat::Wide) {
            terminal::note(&format!("no {} found", selection.kind));
        }
        terminal::print(&self.render(&selection, &items)?)?;
        if !self.watch {
            return Ok(());
        }
        let mut watch = watch::Rows::new(selection.kind, &items)?;
        loop {
            let items = watch::again(|| self.fetch(&client, &selection)).await?;
            terminal::print(&watch.changed(&items, self.output)?)?;
        }
    }

    async fn fetch(&self, client: &Client, selection: &Selection) -> anyhow::Result<Vec<Value>> {
        let Selection { kind, names } = selection;
        if let Kind::Registered(registered) = kind
            && !names.is_empty()
        {
            let mut items = Vec::new();
            for name in names {
                items.push(client.get(&[registered.plural(), name]).await?);
            }
            return Ok(items);
        }
        let query = self.filter.query();
        if names.is_empty() {
            return Ok(client.first(*kind, &query, self.filter.count(*kind)).await?);
        }
        // These have no address of their own.
        let items = client.list(*kind, &query).await?;
        let named = |name: &String| items.iter().find(|i| item::name(*kind, i) == *name).cloned();
        let missing = |name: &str| anyhow::anyhow!("not found: there is no {} {name:?}", kind.singular());
        names.iter().map(|name| named(name).ok_or_else(|| missing(name))).collect()
    }

    fn render(&self, selection: &Selection, items: &[Value]) -> anyhow::Result<String> {
        let kind = selection.kind;
        let width = match self.output {
            ListFormat::Table => Width::Usual,
            ListFormat::Wide => Width::All,
            ListFormat::Json | ListFormat::Yaml => {
                // One thing asked for by name is that thing, as with kubectl.
                let data = match items {
                    [one] if selection.names.len() == 1 => one.clone(),
                    items => item::list(kind, items),
                };
                return if self.output == ListFormat::Json { json(&data) } else { yaml(&data) };
            }
            ListFormat::Name => {
                return Ok(terminal::lines(items.iter().map(|i| format!("{}/{}", kind.singular(), item::name(kind, i)))));
            }
        };
        if items.is_empty() {
            return Ok(String::new());
        }
        Ok(table::of(kind, items, width)?.render(Style::of_stdout()))
    }
}

/// An option that does not go with this kind would silently do nothing.
fn refuse(option: &str, kind: Kind) -> anyhow::Result<()> {
    bail!("{option} does not go with {kind}: see `lockstep get --help`")
}
