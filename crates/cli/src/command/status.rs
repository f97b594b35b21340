//! `lockstep status`.

mod group;
mod overview;
mod picture;

use serde_json::Value;

use super::watch;
use crate::connection::ConnectionArgs;
use crate::format::Format;
use crate::table::Style;
use crate::{progress, terminal};
use overview::Overview;

/// Show which clusters hold what they should, and why others do not
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Look on: drawn anew each second on a terminal, printed when it changes elsewhere
    #[arg(short, long)]
    watch: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  lockstep status
  lockstep status -w
  lockstep status -o json | jq '.deliveries[] | .cause'";

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let client = connection.client()?;
        let mut shown = progress::during("reading the status", Overview::fetch(&client)).await?;
        let redraws = self.watch && self.output == Format::Table && terminal::can_redraw();
        if redraws {
            terminal::make_room()?;
        }
        self.print(&shown)?;
        if !self.watch {
            return Ok(());
        }
        loop {
            let now = watch::again(|| Overview::fetch(&client)).await?;
            if redraws || now.differs(&shown)? {
                self.print(&now)?;
            }
            shown = now;
        }
    }

    fn print(&self, overview: &Overview) -> anyhow::Result<()> {
        let picture = picture::draw(overview)?;
        let data: &Value = &overview.data();
        let text = self.output.render(data, || picture.render(Style::of_stdout(), terminal::width()))?;
        if self.watch && self.output == Format::Table && terminal::can_redraw() {
            terminal::redraw(&text)?;
        } else {
            terminal::print(&text)?;
        }
        Ok(())
    }
}
