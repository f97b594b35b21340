//! `lockstep delete`.

use anyhow::{bail, ensure};
use serde_json::Value;

use super::aftermath;
use super::apply::{DryRun, conclude, stop_if_hopeless};
use crate::connection::ConnectionArgs;
use crate::kind::{Kind, Registered};
use crate::manifest::file::{FileArgs, is_file_name};
use crate::manifest::{self, Depth};
use crate::rest::failure::Failure;
use crate::rest::write::Mode;
use crate::selection::{named, title};
use crate::terminal;

/// Delete what manifests describe, or things by name
///
/// What a binding's clusters hold is kept or deleted as its deletionPolicy says.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// KIND NAME… or KIND/NAME…
    #[arg(value_name = "KIND NAME", conflicts_with = "filename")]
    words: Vec<String>,
    #[command(flatten)]
    files: FileArgs,
    /// Change nothing: `server` asks what would be done
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    dry_run: DryRun,
    /// That something does not exist is no error
    #[arg(long)]
    ignore_not_found: bool,
}

const EXAMPLES: &str = "\
Examples:
  lockstep delete binding checkout-db
  lockstep delete binding/checkout-db grant/payments-prod
  # In the reverse order of apply
  lockstep delete -f manifests/";

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let objects = self.objects()?;
        let mode = match self.dry_run {
            DryRun::None => Mode::Keep,
            DryRun::Server => Mode::DryRun,
            DryRun::Client => bail!("only the server knows what would be deleted: use --dry-run=server"),
        };
        let client = connection.client()?;
        let mut failed = 0;
        for (kind, name) in &objects {
            let subject = title(*kind, name);
            match client.delete(*kind, name, mode).await {
                Ok(left) => {
                    terminal::tell(&format!("{subject} {}{}", outcome(&left), mode.suffix()))?;
                    aftermath::tell(&client, *kind, &left, mode).await;
                }
                Err(Failure::NotFound(_)) if self.ignore_not_found => {}
                Err(failure) => {
                    failed += 1;
                    terminal::note(&format!("error: {subject}: {failure}"));
                    if matches!(failure, Failure::NotFound(_)) && terminal::is_watched() {
                        terminal::hint(&client.missing(Kind::Registered(*kind), name).await.advice());
                    }
                    stop_if_hopeless(&client, &failure)?;
                }
            }
        }
        conclude(failed, objects.len(), "deleted")
    }

    fn objects(&self) -> anyhow::Result<Vec<(Registered, String)>> {
        ensure!(!self.words.is_empty() || !self.files.filename.is_empty(), "say what: KIND NAME, KIND/NAME or -f PATH");
        if let Some(file) = self.words.iter().find(|word| is_file_name(word)) {
            bail!("{file} needs -f before it: `lockstep delete -f {file}`");
        }
        if !self.words.is_empty() {
            return named(&self.words);
        }
        let objects = manifest::read(&self.files, Depth::Identity)?;
        Ok(objects.into_iter().rev().map(|object| (object.kind, object.name)).collect())
    }
}

/// A cluster is not gone at once: what its agent holds is taken back first.
fn outcome(left: &Value) -> &'static str {
    let removing = left.pointer("/status/state").and_then(Value::as_str) == Some("Removing");
    if removing { "removing" } else { "deleted" }
}
