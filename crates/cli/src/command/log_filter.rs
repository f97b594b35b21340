//! `lockstep log-filter`.

use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use lockstep_api::log_filter::{LogFilter, SetLogFilter};
use reqwest::Method;

use crate::connection::ConnectionArgs;
use crate::format::Format;
use crate::rest::client::Client;
use crate::table::cell::Cell;
use crate::table::{Style, Table};
use crate::{age, progress, terminal};

/// Show or change what all replicas of the server log, while they run
///
/// Every replica follows within ten seconds, and who asked is in the history. Needs an admin of everything. Agents have a command of their own:
/// `kubectl exec POD -- lockstep-agent log debug`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  lockstep log-filter show
  # See what the watchers do, for half an hour
  lockstep log-filter set info,lockstep_server::watch=debug --ttl 30m
  lockstep log-filter reset";

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what is logged, until when, and who asked for it
    #[command(after_help = "Examples:\n  lockstep log-filter show\n  lockstep log-filter show -o json")]
    Show {
        /// Output format
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Log something else on all replicas for a while
    ///
    /// It ends by itself; then what each was started with counts again. What libraries say of frames and bodies stays out of the log, whatever is asked.
    #[command(after_help = "Examples:\n  lockstep log-filter set info,lockstep_server::watch=debug --ttl 30m")]
    Set {
        /// A level (error, warn, info, debug, trace), or several for parts of the program, as in `LOCKSTEP_LOG`
        filter: String,
        /// For how long, at most 24h
        #[arg(long, default_value = "1h", value_parser = age::parse, value_name = "DURATION")]
        ttl: Duration,
        /// Output format
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Log again what each replica was started with
    #[command(after_help = "Examples:\n  lockstep log-filter reset")]
    Reset {
        /// Output format
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

const PATH: &[&str] = &["logfilter"];

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let client = connection.client()?;
        match &self.action {
            Action::Show { output } => {
                let shown: LogFilter = progress::during("reading the log filter", client.get(PATH)).await?;
                print(&shown, *output)?;
                if shown.filter.is_some() {
                    terminal::hint("Next: `lockstep log-filter reset` ends it before its time.");
                }
            }
            Action::Set { filter, ttl, output } => {
                let shown = progress::during("setting the log filter", set(&client, filter, *ttl)).await?;
                print(&shown, *output)?;
                terminal::hint(
                    "Every replica logs it within ten seconds. `lockstep log-filter reset` ends it before its time; `lockstep audit --kind LogFilterSet` says who asked for what.",
                );
            }
            Action::Reset { output } => {
                let request = client.request(Method::DELETE, PATH);
                let shown: LogFilter = progress::during("resetting the log filter", client.answer(request)).await?;
                print(&shown, *output)?;
            }
        }
        Ok(())
    }
}

async fn set(client: &Client, filter: &str, ttl: Duration) -> anyhow::Result<LogFilter> {
    // What is the most, the server says.
    let seconds = u32::try_from(ttl.as_secs()).ok().context("--ttl is too long: a day is the most, ask again when it is over")?;
    let asked = SetLogFilter { filter: filter.to_owned(), seconds: Some(seconds) };
    Ok(client.answer(client.request(Method::PUT, PATH).json(&asked)).await?)
}

fn print(shown: &LogFilter, output: Format) -> anyhow::Result<()> {
    let text = output.render(shown, || {
        let mut table = Table::new(vec!["CONFIGURED", "INSTEAD", "ENDS", "ASKED-BY"]);
        let ends = shown.until.map_or_else(|| Cell::text(""), Cell::Until);
        table.rows.push(vec![
            Cell::text(&shown.configured),
            Cell::optional(shown.filter.as_ref()),
            ends,
            Cell::optional(shown.actor.as_ref()),
        ]);
        table.render(Style::of_stdout())
    })?;
    Ok(terminal::print(&text)?)
}
