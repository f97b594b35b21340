//! `lockstep audit`.

mod chain;
mod verify;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Subcommand;
use lockstep_api::change::Epoch;
use lockstep_api::manifest::List;
use serde_json::Value;

use super::watch;
use crate::connection::ConnectionArgs;
use crate::format::{ListFormat, json, yaml};
use crate::item;
use crate::kind::Kind;
use crate::rest::client::Client;
use crate::table::{self, Style, Width};
use crate::{age, progress, terminal};

/// Show who did what, the newest last; or check that nobody changed the history
///
/// What callers were refused is listed by `lockstep get refusals`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only what concerns this secret: PATH, MOUNT/PATH or SOURCE/MOUNT/PATH
    #[arg(long, value_name = "PATH")]
    secret: Option<String>,
    /// Only to this cluster, or naming it
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Only by this actor, such as token:ci, oidc:github:octocat or watch:corp
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Only of this kind, such as BindingWritten
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only to this, such as binding/checkout-db
    #[arg(long, value_name = "KIND/NAME")]
    subject: Option<String>,
    /// Only of this last while, such as 1h, by the server's clock
    #[arg(long, value_parser = age::parse, value_name = "DURATION")]
    since: Option<Duration>,
    /// At most this many, the newest; 0 for all
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
    /// Also changes that only say that new versions were seen
    #[arg(short = 'A', long)]
    all: bool,
    /// Then look every second, and print what is new
    #[arg(short, long)]
    follow: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

const EXAMPLES: &str = "\
Examples:
  lockstep audit --since 1h
  # What happened to a secret, and to what delivers it
  lockstep audit --secret kv/payments/checkout/db
  lockstep audit --actor token:ci --cluster prod-eu -o wide
  # Look on
  lockstep audit -f
  # Check the whole history without trusting the server
  lockstep audit verify";

#[derive(Debug, Subcommand)]
enum Action {
    Verify(verify::Args),
}

/// Items in one answer.
const PAGE_ITEMS: usize = 500;
/// Pages that are asked for, unless it is said that all are wanted: a history has very many, and whoever looks for something wants an answer.
const PAGES_MAX: usize = 200;
/// What a list that ends before the history does says.
const CUT: &str = "the history is longer: older changes were not looked at";
/// Of those shown before, which decide how wide columns are while following.
const WIDTHS_OF: usize = 100;

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<ExitCode> {
        if let Some(Action::Verify(args)) = &self.action {
            return args.run(connection).await;
        }
        let client = connection.client()?;
        // Before the list: what is committed between the two is told twice by nobody, and by one of them.
        let mut seen = if self.follow { client.get::<Epoch>(&["epoch"]).await?.seq } else { 0 };
        let (mut shown, is_whole) = progress::during("reading the history", self.fetch(&client, None)).await?;
        // A program cannot see that what it reads is not all.
        if !is_whole && !self.is_table() {
            bail!("{CUT}; narrow it with --since, --subject or a smaller --limit, or ask for all with --limit 0");
        }
        shown.reverse();
        seen = seen.max(newest(&shown));
        if shown.is_empty() && self.is_table() {
            terminal::note("no changes found");
        }
        terminal::print(&self.render(&shown)?)?;
        if !is_whole {
            terminal::note(&format!("{CUT}; --since and --subject make that quick, --limit 0 looks at all"));
        }
        if !self.follow {
            if self.leaves_out() {
                terminal::hint(
                    "Changes that only say which new versions were seen in Vault are not shown: --all shows them. Refusals: `lockstep get refusals`.",
                );
            }
            return Ok(ExitCode::SUCCESS);
        }
        loop {
            let (head, mut fresh) = watch::again(|| self.after(&client, seen)).await?;
            fresh.reverse();
            seen = head.max(newest(&fresh));
            terminal::print(&self.render_fresh(&shown, &fresh)?)?;
            shown.extend(fresh);
            shown.drain(..shown.len().saturating_sub(WIDTHS_OF));
        }
    }

    /// What came after `seen`, and up to where that is all.
    async fn after(&self, client: &Client, seen: u64) -> anyhow::Result<(u64, Vec<Value>)> {
        let head = client.get::<Epoch>(&["epoch"]).await?.seq;
        if head <= seen {
            return Ok((seen, Vec::new()));
        }
        Ok((head, self.fetch(client, Some(seen)).await?.0))
    }

    /// The newest that are asked for, newest first, and whether all was looked at that could be meant.
    async fn fetch(&self, client: &Client, after: Option<u64>) -> anyhow::Result<(Vec<Value>, bool)> {
        let since = self.since.map(|since| since.as_secs().to_string());
        let (after, page_items) = (after.map(|after| after.to_string()), PAGE_ITEMS.to_string());
        let count = if self.limit == 0 || after.is_some() { usize::MAX } else { self.limit };
        let pages_max = pages_max(count);
        let (mut items, mut from) = (Vec::new(), None::<String>);
        for _ in 0..pages_max {
            let query: Vec<(&str, &str)> = [
                ("secret", self.secret.as_deref()),
                ("cluster", self.cluster.as_deref()),
                ("actor", self.actor.as_deref()),
                ("kind", self.kind.as_deref()),
                ("subject", self.subject.as_deref()),
                ("sinceSeconds", since.as_deref()),
                ("after", after.as_deref()),
                ("limit", Some(&page_items)),
                ("continue", from.as_deref()),
            ]
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
            let page: List<Value> = client.ask(&[Kind::Change.plural()], &query).await?;
            items.extend(page.items.into_iter().filter(|change| !self.leaves_out() || !item::is_minor(Kind::Change, change)));
            let next = page.metadata.continue_from;
            if next.is_none() || next == from || items.len() >= count {
                items.truncate(count);
                return Ok((items, true));
            }
            from = next;
        }
        Ok((items, false))
    }

    /// A person who looks at a table gets what somebody did, unless it is the secret's versions that are asked for.
    fn leaves_out(&self) -> bool {
        self.is_table() && !self.all && self.secret.is_none() && self.kind.is_none()
    }

    fn is_table(&self) -> bool {
        matches!(self.output, ListFormat::Table | ListFormat::Wide)
    }

    fn render(&self, changes: &[Value]) -> anyhow::Result<String> {
        match self.output {
            ListFormat::Json if !self.follow => json(&item::list(Kind::Change, changes)),
            ListFormat::Yaml if !self.follow => yaml(&item::list(Kind::Change, changes)),
            ListFormat::Table | ListFormat::Wide if changes.is_empty() => Ok(String::new()),
            ListFormat::Table => Ok(table::of(Kind::Change, changes, Width::Usual)?.render(Style::of_stdout())),
            ListFormat::Wide => Ok(table::of(Kind::Change, changes, Width::All)?.render(Style::of_stdout())),
            ListFormat::Json | ListFormat::Yaml | ListFormat::Name => self.render_fresh(&[], changes),
        }
    }

    /// Of a history that goes on: rows below those that are shown, or one document after another.
    fn render_fresh(&self, shown: &[Value], fresh: &[Value]) -> anyhow::Result<String> {
        let rows = |width| {
            let all: Vec<Value> = shown.iter().chain(fresh).cloned().collect();
            let table = table::of(Kind::Change, &all, width)?;
            Ok(table.render_rows(&table.rows[shown.len()..], Style::of_stdout()))
        };
        match self.output {
            ListFormat::Table | ListFormat::Wide if fresh.is_empty() => Ok(String::new()),
            ListFormat::Table => rows(Width::Usual),
            ListFormat::Wide => rows(Width::All),
            ListFormat::Json => fresh.iter().map(json).collect(),
            ListFormat::Yaml => fresh.iter().map(|change| Ok(format!("---\n{}", yaml(change)?))).collect(),
            ListFormat::Name => {
                Ok(terminal::lines(fresh.iter().map(|change| format!("change/{}", item::name(Kind::Change, change)))))
            }
        }
    }
}

/// Those that are asked for. Whoever wants all, or very many, does not want them cut.
fn pages_max(count: usize) -> usize {
    if count == usize::MAX { usize::MAX } else { PAGES_MAX.max(count / PAGE_ITEMS + 1) }
}

fn newest(changes: &[Value]) -> u64 {
    changes.iter().filter_map(|change| change["seq"].as_u64()).max().unwrap_or_default()
}
