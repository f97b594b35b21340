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
use crate::rest::missing::Missing;
use crate::selection::Selection;
use crate::table::{self, Style, Width};
use crate::{progress, terminal};
pub(super) use filter::{Filter, status};

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
  # What is not in sync, and why
  lockstep get deliveries --cluster prod-eu --status Failed
  # What is known of a source's secrets
  lockstep get secrets --source corp
  # Who changed what
  lockstep get changes --subject binding/checkout-db
  # Look on
  lockstep get deliveries --binding checkout-db -w";

impl Args {
    /// `lockstep get deliveries`.
    pub(super) fn deliveries(filter: Filter, watch: bool, output: ListFormat) -> Self {
        Self { words: vec![Kind::Delivery.plural().to_owned()], filter, watch, output }
    }

    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let selection = Selection::read(&self.words)?;
        self.filter.check(selection.kind)?;
        let client = connection.client()?;
        let what = format!("reading {}", selection.kind);
        let items = progress::during(&what, self.fetch(&client, &selection)).await?;
        if items.is_empty() {
            self.check_named(&client).await?;
            if self.is_table() {
                terminal::note(&format!("no {} found", selection.kind));
            }
        }
        terminal::print(&self.render(&selection, &items)?)?;
        if !self.watch {
            if let Some(hidden) = self.hidden(&selection) {
                terminal::hint(&hidden);
            }
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
                let found = client.get(&[registered.plural(), name]).await;
                items.push(client.explained(*kind, name, found).await?);
            }
            return Ok(items);
        }
        let query = self.filter.query();
        if names.is_empty() {
            let is_partial = self.is_partial(selection);
            let is_shown = |item: &Value| !is_partial || !item::is_minor(*kind, item);
            let mut items = client.first_of(*kind, &query, self.filter.count(*kind), is_shown).await?;
            // By name: the server lists them in the order in which it came to know them.
            if *kind == Kind::Secret {
                items.sort_by_cached_key(|item| item::name(*kind, item));
            }
            return Ok(items);
        }
        // These have no address of their own.
        names.iter().try_for_each(|name| item::check_name(*kind, name))?;
        let items = client.list(*kind, &query).await?;
        let all: Vec<String> = items.iter().map(|i| item::name(*kind, i)).collect();
        let named = |name: &String| all.iter().position(|n| n == name).map(|index| items[index].clone());
        names.iter().map(|name| named(name).ok_or_else(|| Missing::new(*kind, name, &all).into())).collect()
    }

    /// An empty answer about something that does not exist is a mistake, not an answer.
    async fn check_named(&self, client: &Client) -> anyhow::Result<()> {
        for (kind, name) in self.filter.named() {
            let found = client.get::<Value>(&[kind.plural(), name]).await;
            client.explained(Kind::Registered(kind), name, found).await?;
        }
        Ok(())
    }

    fn is_table(&self) -> bool {
        matches!(self.output, ListFormat::Table | ListFormat::Wide)
    }

    /// Programs get everything; a person who looks at a table gets what matters, unless all was asked for.
    fn is_partial(&self, selection: &Selection) -> bool {
        self.is_table() && selection.names.is_empty() && self.filter.is_partial(selection.kind)
    }

    /// What a table leaves out, and how to see it.
    fn hidden(&self, selection: &Selection) -> Option<String> {
        let what = match selection.kind {
            Kind::Secret => "Secrets that no binding uses any more are not shown",
            _ => "Changes that only say which new versions were seen in Vault (VersionsObserved) are not shown",
        };
        let again = format!("`lockstep get {} --all` shows them", selection.kind);
        self.is_partial(selection).then(|| format!("{what}: {again}."))
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
