//! `lockstep version`.

use serde_json::json;

use crate::format::Format;
use crate::terminal;

/// Show which version this command is
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  lockstep version
  lockstep version -o json";

const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Args {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let text = self.output.render(&json!({"version": VERSION}), || format!("lockstep {VERSION}\n"))?;
        Ok(terminal::print(&text)?)
    }
}
