//! `lockstep apply`.

mod planned;

use anyhow::bail;
use clap::ValueEnum;
use thiserror::Error;

use crate::connection::ConnectionArgs;
use crate::kind::Registered;
use crate::manifest::file::{FileArgs, UnnamedArgs};
use crate::manifest::object::Object;
use crate::manifest::{self, Depth};
use crate::rest::client::Client;
use crate::rest::failure::Failure;
use crate::rest::write::{Mode, Outcome};
use crate::terminal;
pub(super) use planned::Planned;

/// Create or change what manifests describe
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
}

const EXAMPLES: &str = "\
Examples:
  lockstep apply -f binding.yaml
  # Everything in a directory and those below it; nothing is sent if any manifest has a mistake
  lockstep apply -f manifests/ -R
  # What would be done
  lockstep apply -f manifests/ --dry-run=server
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
        let objects = manifest::read(&self.files, Depth::Whole)?;
        let mode = match self.dry_run {
            DryRun::Client => return report_checked(&objects),
            DryRun::Server => Mode::DryRun,
            DryRun::None => Mode::Keep,
        };
        let client = connection.client()?;
        let mut failed = 0;
        let mut changed = Vec::new();
        let mut planned = Planned::default();
        for object in &objects {
            match client.put(object.kind, &object.name, &object.manifest, mode).await {
                Ok((outcome, _)) => {
                    planned.note(object, outcome);
                    if outcome != Outcome::Unchanged {
                        changed.push(object);
                    }
                    terminal::tell(&format!("{object} {outcome}{}", mode.suffix()))?;
                }
                Err(failure) if mode == Mode::DryRun && planned.explains(object, &failure) => {
                    planned.note(object, Outcome::Created);
                    terminal::tell(&format!("{object} {}{}", Outcome::Created, mode.suffix()))?;
                }
                Err(failure) => {
                    failed += 1;
                    report(object, &failure);
                    stop_if_hopeless(&client, &failure)?;
                }
            }
        }
        conclude(failed, objects.len(), "applied")?;
        if let Some(next) = next(&changed).filter(|_| mode == Mode::Keep) {
            terminal::hint(&next);
        }
        Ok(())
    }
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
