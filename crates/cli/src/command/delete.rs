//! `lockstep delete`.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use serde_json::Value;

use super::apply::{Answers, DryRun, conclude, stop_if_hopeless};
use super::consent::{Consent, ConsentArgs, Planned};
use super::{aftermath, blast_radius};
use crate::connection::ConnectionArgs;
use crate::format::Format;
use crate::kind::{Kind, Registered};
use crate::manifest::file::{FileArgs, is_file_name};
use crate::manifest::{self, Depth};
use crate::rest::client::Client;
use crate::rest::failure::Failure;
use crate::rest::write::Mode;
use crate::selection::{named, title};
use crate::terminal;

/// Delete what manifests describe, or things by name
///
/// What a binding's clusters hold is kept or deleted as its deletionPolicy says. Asks the server first how far that reaches: what changes more than
/// 10 clusters (--confirm-over), or deletes what was delivered by bindings that are not named here, is shown, and done only after a yes; where nobody
/// can be asked it is refused without --yes.
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
    #[command(flatten)]
    consent: ConsentArgs,
    /// Output format; of a server dry run, `status.blastRadius` says how far it would reach
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  lockstep delete binding checkout-db
  lockstep delete binding/checkout-db grant/payments-prod
  # What would go, and from where
  lockstep delete grant payments-prod --dry-run=server
  # In the reverse order of apply
  lockstep delete -f manifests/ --yes";

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let objects = self.objects()?;
        let mut consent = self.consent.read()?;
        let mode = match self.dry_run {
            DryRun::None => Mode::Keep,
            DryRun::Server => Mode::DryRun,
            DryRun::Client => bail!("only the server knows what would be deleted: use --dry-run=server"),
        };
        let client = connection.client()?;
        let mut told = Answers::new(self.output);
        let deleted = self.delete(&client, &objects, mode, &mut consent, &mut told).await;
        told.finish()?;
        deleted
    }

    async fn delete(
        &self,
        client: &Client,
        objects: &[(Registered, String)],
        mode: Mode,
        consent: &mut Consent,
        told: &mut Answers,
    ) -> anyhow::Result<()> {
        let mut refused = if mode == Mode::Keep { look_ahead(client, objects, consent).await? } else { BTreeMap::new() };
        let (mut failed, mut done) = (0, 0);
        for (kind, name) in objects {
            let subject = title(*kind, name);
            // What was refused is refused still, as long as nothing was done.
            let deleted = match refused.remove(&(*kind, name)).filter(|_| done == 0) {
                Some(failure) => Err(failure),
                None => client.delete(*kind, name, mode).await,
            };
            match deleted {
                Ok(left) => {
                    done += 1;
                    told.tell(&format!("{subject} {}{}", outcome(&left), mode.suffix()), &left)?;
                    if let Some(radius) = blast_radius::of(&left) {
                        terminal::note(&format!("{subject} {}", blast_radius::words(&radius)));
                    }
                    aftermath::tell(client, *kind, &left, mode).await;
                }
                Err(Failure::NotFound(_)) if self.ignore_not_found => {}
                Err(failure) => {
                    failed += 1;
                    terminal::note(&format!("error: {subject}: {failure}"));
                    if matches!(failure, Failure::NotFound(_)) && terminal::is_watched() {
                        terminal::hint(&client.missing(Kind::Registered(*kind), name).await.advice());
                    }
                    stop_if_hopeless(client, &failure)?;
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

/// Tries everything, and asks where it has to; what was refused. Nothing is asked of the server where nobody would be.
async fn look_ahead<'a>(
    client: &Client,
    objects: &'a [(Registered, String)],
    consent: &mut Consent,
) -> anyhow::Result<BTreeMap<(Registered, &'a String), Failure>> {
    let mut refused = BTreeMap::new();
    if !consent.may_ask() {
        return Ok(refused);
    }
    let mut radii = Vec::new();
    for (kind, name) in objects {
        match client.delete(*kind, name, Mode::DryRun).await {
            Ok(left) => radii.extend(blast_radius::of(&left).map(|radius| (kind, name, radius))),
            Err(failure) => {
                let hopeless = failure.is_about_connection();
                refused.insert((*kind, name), failure);
                if hopeless {
                    break;
                }
            }
        }
    }
    // Whoever names a binding has said that what it delivered may go the way of its policy.
    let planned = radii.iter().map(|(kind, name, radius)| Planned {
        subject: title(**kind, name),
        radius,
        is_named: **kind == Registered::Binding,
    });
    let planned: Vec<Planned<'_>> = planned.collect();
    consent.require(&planned, "nothing was changed")?;
    Ok(refused)
}

/// A cluster is not gone at once: what its agent holds is taken back first.
fn outcome(left: &Value) -> &'static str {
    let removing = left.pointer("/status/state").and_then(Value::as_str) == Some("Removing");
    if removing { "removing" } else { "deleted" }
}
