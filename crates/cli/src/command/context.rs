//! `lockstep context`.

use anyhow::bail;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::connection::settings_file;
use crate::format::Format;
use crate::settings::{Context, Settings};
use crate::table::cell::Cell;
use crate::table::{Style, Table};
use crate::terminal;

/// Show and choose the servers you are logged in to
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  lockstep context
  lockstep context use prod";

#[derive(Debug, Subcommand)]
enum Action {
    /// List the contexts
    #[command(after_help = "Examples:\n  lockstep context list\n  lockstep context list -o json")]
    List {
        /// Output format
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Make a context the current one
    #[command(name = "use", after_help = "Examples:\n  lockstep context use prod")]
    Use {
        /// The context
        name: String,
    },
    /// Show the current context, without its token
    #[command(after_help = "Examples:\n  lockstep context show\n  lockstep context show -o json")]
    Show {
        /// Output format
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Forget a context and its token
    #[command(after_help = "Examples:\n  lockstep context delete prod")]
    Delete {
        /// The context
        name: String,
    },
}

impl Args {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let file = settings_file()?;
        let mut settings = Settings::load(&file)?;
        let text = match &self.action {
            None => list(&settings, self.output)?,
            Some(Action::List { output }) => list(&settings, *output)?,
            Some(Action::Show { output }) => show(&settings, *output)?,
            Some(Action::Use { name }) => {
                settings.find(name)?;
                settings.current_context = Some(name.clone());
                settings.save(&file)?;
                format!("Current context is {name}.")
            }
            Some(Action::Delete { name }) => {
                settings.find(name)?;
                settings.contexts.retain(|c| c.name != *name);
                settings.current_context.take_if(|current| current == name);
                settings.save(&file)?;
                format!("context/{name} deleted")
            }
        };
        Ok(terminal::print(&text)?)
    }
}

fn list(settings: &Settings, output: Format) -> anyhow::Result<String> {
    if settings.contexts.is_empty() && output == Format::Table {
        terminal::note("no contexts: log in with `lockstep login --server https://host:8443 --token-file FILE`");
        return Ok(String::new());
    }
    let is_current = |context: &Context| settings.current_context.as_ref() == Some(&context.name);
    let data: Vec<_> = settings.contexts.iter().map(|context| without_token(context, is_current(context))).collect();
    output.render(&data, || {
        let mut table = Table::new(vec!["CURRENT", "NAME", "SERVER"]);
        for context in &settings.contexts {
            let mark = if is_current(context) { "*" } else { "" };
            table.rows.push(vec![Cell::Text(mark.to_owned()), Cell::text(&context.name), Cell::text(&context.server)]);
        }
        table.render(Style::of_stdout())
    })
}

fn show(settings: &Settings, output: Format) -> anyhow::Result<String> {
    let Some(current) = &settings.current_context else {
        bail!("there is no current context: choose one with `lockstep context use NAME`, or log in with `lockstep login`");
    };
    let context = settings.find(current)?;
    output.render(&without_token(context, true), || {
        let authority = context.certificate_authority.as_ref();
        let authority = authority.map_or("the machine's".to_owned(), |file| file.display().to_string());
        format!(
            "Name:                   {}\nServer:                 {}\nCertificate authority:  {authority}\n",
            context.name, context.server
        )
    })
}

fn without_token(context: &Context, current: bool) -> Value {
    json!({
        "name": context.name,
        "server": context.server,
        "certificateAuthority": context.certificate_authority,
        "current": current,
    })
}
