//! The command line.

use clap::Parser;

use crate::command::Command;
use crate::connection::ConnectionArgs;

/// Keeps the secrets of many Kubernetes clusters in step with Vault
#[derive(Debug, Parser)]
#[command(name = "lockstep", version, after_help = EXAMPLES, propagate_version = false)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  # Log in, register a cluster, say what goes where, and see it arrive
  lockstep login --server https://lockstep.example.com:8443 --token-file token
  lockstep cluster register prod-eu --label env=prod
  lockstep apply -f manifests/
  lockstep status -w

Environment:
  LOCKSTEP_SERVER, LOCKSTEP_TOKEN, LOCKSTEP_CERTIFICATE_AUTHORITY   instead of a context
  LOCKSTEP_CONFIG                                                   the configuration file
  NO_COLOR                                                          no colours";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    fn check_examples(command: &clap::Command, path: &str) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let path = format!("{path} {}", sub.get_name());
            let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:") && help.contains(&path), "`{path} --help` has no example");
            check_examples(sub, &path);
        }
    }

    #[test]
    fn every_command_shows_an_example_of_itself() {
        check_examples(&Args::command(), "lockstep");
    }
}
