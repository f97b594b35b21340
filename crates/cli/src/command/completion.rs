//! `lockstep completion`.

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::{Shell, generate};

use crate::terminal;

/// A script that completes commands and options in a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Known,
}

const EXAMPLES: &str = "\
Examples:
  # For this session, and for all to come
  source <(lockstep completion bash)
  lockstep completion bash > ~/.local/share/bash-completion/completions/lockstep
  lockstep completion zsh > \"${fpath[1]}/_lockstep\"
  lockstep completion fish > ~/.config/fish/completions/lockstep.fish
  lockstep completion powershell | Out-String | Invoke-Expression";

/// The shells with a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
}

impl Args {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let shell = match self.shell {
            Known::Bash => Shell::Bash,
            Known::Zsh => Shell::Zsh,
            Known::Fish => Shell::Fish,
            Known::PowerShell => Shell::PowerShell,
        };
        let mut script = Vec::new();
        generate(shell, &mut crate::args::Args::command(), "lockstep", &mut script);
        Ok(terminal::print(&String::from_utf8(script)?)?)
    }
}
