//! `lockstep apply`.

mod ahead;
mod planned;

use anyhow::bail;
use clap::ValueEnum;
use lockstep_api::blast_radius::BlastRadius;
use serde_json::{Value, json};
use thiserror::Error;

use super::blast_radius;
use super::consent::{Consent, ConsentArgs};
use crate::connection::ConnectionArgs;
use crate::format::Format;
use crate::kind::Registered;
use crate::manifest::file::{FileArgs, UnnamedArgs};
use crate::manifest::object::Object;
use crate::manifest::{self, Depth};
use crate::rest::client::Client;
use crate::rest::failure::Failure;
use crate::rest::write::{Mode, Outcome};
use crate::terminal;
use ahead::{Ahead, Foreseen};
pub(super) use planned::Planned;

/// Create or change what manifests describe
///
/// Asks the server first how far that reaches. What changes more than 10 clusters (--confirm-over), or deletes what was delivered, is shown, and
/// done only after a yes; where nobody can be asked it is refused without --yes, and nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    unnamed: UnnamedArgs,
    /// Change nothing: `server` asks what would be done, `client` only looks for mistakes
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    dry_run: DryRun,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Output format; of a server dry run, `status.blastRadius` says how far it would reach
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  lockstep apply -f binding.yaml
  # Everything in a directory and those below it; nothing is sent if any manifest has a mistake
  lockstep apply -f manifests/ -R
  # What would be done, and how far it would reach: clusters, Secrets, restarts
  lockstep apply -f manifests/ --dry-run=server
  # In a pipeline: go on if it changes 50 clusters or less, and deletes nothing
  lockstep apply -f manifests/ --confirm-over 50
  # It was looked at, and is meant
  lockstep apply -f manifests/ --yes
  # Change what is there
  lockstep get binding checkout-db -o yaml | sed 's/Retain/Delete/' | lockstep apply -f -";

/// Whether anything is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum DryRun {
    /// Keep it
    #[default]
    None,
    /// The server says what it would do
    Server,
    /// Nothing is sent
    Client,
}

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        self.unnamed.refuse("apply")?;
        let mut consent = self.consent.read()?;
        let objects = manifest::read(&self.files, Depth::Whole)?;
        let mut told = Answers::new(self.output);
        match self.dry_run {
            DryRun::Client => report_checked(&objects),
            DryRun::Server => {
                let tried = try_out(&connection.client()?, &objects, &mut told).await;
                told.finish()?;
                tried
            }
            DryRun::None => {
                let mut changed = Vec::new();
                let applied = apply(&connection.client()?, &objects, &mut consent, &mut changed, &mut told).await;
                told.finish()?;
                applied?;
                if let Some(next) = next(&changed) {
                    terminal::hint(&next);
                }
                Ok(())
            }
        }
    }
}

/// What was answered: a line each as it comes, or all of it as data at the end.
pub(super) struct Answers {
    format: Format,
    items: Vec<Value>,
}

impl Answers {
    pub(super) const fn new(format: Format) -> Self {
        Self { format, items: Vec::new() }
    }

    pub(super) fn tell(&mut self, line: &str, answer: &Value) -> anyhow::Result<()> {
        if self.format == Format::Table {
            return Ok(terminal::tell(line)?);
        }
        self.items.push(answer.clone());
        Ok(())
    }

    /// One thing is that thing, as with kubectl.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        let data = match self.items.len() {
            1 => self.items.remove(0),
            _ => json!({"apiVersion": lockstep_api::API_VERSION, "kind": "List", "items": self.items}),
        };
        Ok(terminal::tell(&self.format.render(&data, String::new)?)?)
    }
}

async fn try_out(client: &Client, objects: &[Object], told: &mut Answers) -> anyhow::Result<()> {
    let (mut failed, mut said) = (0, Vec::new());
    let mut planned = Planned::default();
    for object in objects {
        match client.put(object.kind, &object.name, &object.manifest, Mode::DryRun).await {
            Ok((outcome, answer)) => {
                planned.note(object, outcome);
                let reach = reach(object, outcome, blast_radius::of(&answer).as_ref());
                told.tell(&format!("{object} {outcome}{}", Mode::DryRun.suffix()), &answer)?;
                said.extend(reach);
            }
            Err(failure) if planned.explains(object, &failure) => {
                planned.note(object, Outcome::Created);
                let line = format!("{object} {}{}", Outcome::Created, Mode::DryRun.suffix());
                told.tell(&line, &object.manifest)?;
                said.push(unknown(object));
            }
            Err(failure) => {
                failed += 1;
                report(object, &failure);
                stop_if_hopeless(client, &failure)?;
            }
        }
    }
    for line in &said {
        terminal::note(line);
    }
    if said.len() > 1 {
        terminal::note(TOGETHER);
    }
    conclude(failed, objects.len(), "applied")
}

/// What is true of several.
const TOGETHER: &str = "Each is counted against what is there now: those that depend on one another may change more together.";

/// How far a write would reach; nothing of what changes nothing, and of what by itself never changes anything in a cluster.
pub(super) fn reach(object: &Object, outcome: Outcome, radius: Option<&BlastRadius>) -> Option<String> {
    let radius = radius?;
    let counts = matches!(object.kind, Registered::Binding | Registered::Grant | Registered::Cluster);
    let shown = outcome != Outcome::Unchanged && (counts || radius.clusters.count > 0);
    shown.then(|| format!("{object} {}", blast_radius::words(radius)))
}

/// Of what refers to something that is not there yet.
pub(super) fn unknown(object: &Object) -> String {
    format!("{object} refers to what is created with it, so how far it would reach cannot be said before that is there")
}

async fn apply<'a>(
    client: &Client,
    objects: &'a [Object],
    consent: &mut Consent,
    changed: &mut Vec<&'a Object>,
    told: &mut Answers,
) -> anyhow::Result<()> {
    let mut ahead = Ahead::look(client, objects, consent).await?;
    let mut failed = 0;
    for object in objects {
        let put = match ahead.of(object, !changed.is_empty()) {
            Some(Foreseen::Unchanged(answer)) => Ok((Outcome::Unchanged, answer)),
            Some(Foreseen::Refused(failure)) => Err(failure),
            None => {
                ahead.look_again(client, object, consent, changed.len()).await?;
                client.put(object.kind, &object.name, &object.manifest, Mode::Keep).await
            }
        };
        match put {
            Ok((outcome, answer)) => {
                if outcome != Outcome::Unchanged {
                    changed.push(object);
                }
                told.tell(&format!("{object} {outcome}"), &answer)?;
            }
            Err(failure) => {
                failed += 1;
                report(object, &failure);
                stop_if_hopeless(client, &failure)?;
            }
        }
    }
    conclude(failed, objects.len(), "applied")
}

/// What to wait for: the binding that changed, or all if several things did, or something that decides about bindings.
fn next(changed: &[&Object]) -> Option<String> {
    let target = match changed {
        [] => return None,
        [one] if one.kind == Registered::Binding => one.to_string(),
        several if several.iter().all(|object| matches!(object.kind, Registered::Project | Registered::Cluster)) => return None,
        _ => "--all".to_owned(),
    };
    Some(format!("Next: `lockstep wait --for=condition=InSync {target}`, or `lockstep status -w` to look on."))
}

fn report_checked(objects: &[Object]) -> anyhow::Result<()> {
    Ok(terminal::print(&terminal::lines(objects.iter().map(|object| format!("{object} checked (client dry run)"))))?)
}

/// Tells why one object failed; mistakes that only the server can find also get their file and line.
pub(super) fn report(object: &Object, failure: &Failure) {
    if failure.mistakes().is_empty() {
        terminal::note(&format!("error: {object}: {failure}"));
        return;
    }
    for mistake in failure.mistakes() {
        terminal::note(&object.place.locate(mistake).to_string());
    }
    terminal::note(&format!("error: {object}: {}", failure.detail()));
}

/// One object that fails does not stop the others, but without a server or a token they would all fail alike.
pub(super) fn stop_if_hopeless(client: &Client, failure: &Failure) -> anyhow::Result<()> {
    anyhow::ensure!(!failure.is_about_connection(), "stopped: {} cannot be used", client.server());
    Ok(())
}

/// A failure that was told already, with its object.
#[derive(Debug, Error)]
#[error("it could not be done")]
pub(crate) struct Told;

/// The last word: how many failed, if any did. Of one there is nothing more to say.
pub(super) fn conclude(failed: usize, all: usize, done: &str) -> anyhow::Result<()> {
    match (failed, all) {
        (0, _) => Ok(()),
        (_, 1) => Err(Told.into()),
        _ => bail!("{failed} of {all} objects could not be {done}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_worth_waiting_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("all.yaml");
        let object = |kind: &str| format!("apiVersion: lockstep.dev/v1\nkind: {kind}\nmetadata: {{name: x}}\n---\n");
        std::fs::write(&file, ["Project", "Grant", "Binding"].map(object).concat()).unwrap();
        let files = FileArgs { filename: vec![file], recursive: false };
        let objects = manifest::read(&files, Depth::Identity).unwrap();
        let [project, grant, binding] = objects.iter().collect::<Vec<_>>()[..] else { panic!("{objects:?}") };
        let target =
            |changed: &[&Object]| next(changed).map(|hint| hint.split_whitespace().nth(4).unwrap_or_default().to_owned());
        assert_eq!(target(&[]), None);
        assert_eq!(target(&[project]), None);
        assert_eq!(target(&[binding]).as_deref(), Some("binding/x`,"));
        assert_eq!(target(&[grant]).as_deref(), Some("--all`,"));
        assert_eq!(target(&[project, binding]).as_deref(), Some("--all`,"));
    }
}
