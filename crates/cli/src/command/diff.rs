//! `lockstep diff`.

use std::process::ExitCode;

use serde_json::Value;
use similar::TextDiff;

use super::apply::{Planned, conclude, reach, report, stop_if_hopeless, unknown};
use super::blast_radius;
use crate::connection::ConnectionArgs;
use crate::format::yaml;
use crate::manifest::file::{FileArgs, UnnamedArgs};
use crate::manifest::object::Object;
use crate::manifest::{self, Depth};
use crate::rest::client::Client;
use crate::rest::failure::Failure;
use crate::rest::write::{Mode, Outcome};
use crate::terminal;

/// Show what applying manifests would change; exits 0 if nothing, 1 if something, 2 on errors
///
/// The difference goes to standard output. How far it would reach (clusters, Secrets, restarts) is told on standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    unnamed: UnnamedArgs,
}

const EXAMPLES: &str = "\
Examples:
  lockstep diff -f manifests/
  # In a pipeline: fail when what runs is not what the repository says
  lockstep diff -R -f manifests/ || exit 1";

/// Lines around a difference.
const CONTEXT_LINES: usize = 3;

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<ExitCode> {
        self.unnamed.refuse("diff")?;
        let objects = manifest::read(&self.files, Depth::Whole)?;
        let client = connection.client()?;
        let (mut failed, mut differs) = (0, false);
        let mut planned = Planned::default();
        for object in &objects {
            match both(&client, object, &mut planned).await {
                Ok(Both { live, merged, reach }) => {
                    let text = difference(&object.to_string(), live, merged)?;
                    differs |= !text.is_empty();
                    terminal::tell(&text)?;
                    if let Some(line) = reach {
                        terminal::note(&line);
                    }
                }
                Err(failure) => {
                    failed += 1;
                    report(object, &failure);
                    stop_if_hopeless(&client, &failure)?;
                }
            }
        }
        conclude(failed, objects.len(), "compared")?;
        Ok(ExitCode::from(u8::from(differs)))
    }
}

/// What is, and what would be.
struct Both {
    live: Option<Value>,
    merged: Value,
    /// How far that would reach, in words.
    reach: Option<String>,
}

async fn both(client: &Client, object: &Object, planned: &mut Planned) -> Result<Both, Failure> {
    let live = client.find(&[object.kind.plural(), &object.name]).await?;
    let (merged, reach) = match client.put(object.kind, &object.name, &object.manifest, Mode::DryRun).await {
        Ok((outcome, merged)) => {
            planned.note(object, outcome);
            let reach = reach(object, outcome, blast_radius::of(&merged).as_ref());
            (merged, reach)
        }
        Err(failure) if planned.explains(object, &failure) => {
            planned.note(object, Outcome::Created);
            (object.manifest.clone(), Some(unknown(object)))
        }
        Err(failure) => return Err(failure),
    };
    Ok(Both { live, merged, reach })
}

/// A unified diff of both as YAML, without what only the server writes; empty if they are the same.
fn difference(name: &str, live: Option<Value>, merged: Value) -> anyhow::Result<String> {
    let text = |manifest: Option<Value>| match manifest {
        None => Ok(String::new()),
        Some(mut manifest) => {
            strip_server_fields(&mut manifest);
            yaml(&manifest)
        }
    };
    let (live, merged) = (text(live)?, text(Some(merged))?);
    let diff = TextDiff::from_lines(&live, &merged);
    let (from, to) = (format!("live/{name}"), format!("merged/{name}"));
    Ok(diff.unified_diff().context_radius(CONTEXT_LINES).header(&from, &to).to_string())
}

/// Metadata that only the server writes is no part of what a person wants.
fn strip_server_fields(manifest: &mut Value) {
    if let Some(fields) = manifest.as_object_mut() {
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|key, _| !["uid", "resourceVersion", "creationTimestamp"].contains(&key.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(policy: &str, version: &str) -> Value {
        json!({
            "apiVersion": "lockstep.dev/v1",
            "kind": "Binding",
            "metadata": {"name": "b", "uid": version, "resourceVersion": version, "creationTimestamp": version},
            "spec": {"project": "p", "deletionPolicy": policy},
            "status": {"clusters": version},
        })
    }

    #[test]
    fn only_what_a_person_wrote_makes_a_difference() {
        let same = difference("binding/b", Some(manifest("Retain", "1")), manifest("Retain", "2")).unwrap();
        assert_eq!(same, "");
        let text = difference("binding/b", Some(manifest("Retain", "1")), manifest("Delete", "1")).unwrap();
        assert!(text.starts_with("--- live/binding/b\n+++ merged/binding/b\n@@ "), "{text}");
        assert!(text.contains("\n-  deletionPolicy: Retain\n+  deletionPolicy: Delete\n"), "{text}");
        assert!(!text.contains("status"), "{text}");
    }

    #[test]
    fn what_is_new_is_added_as_a_whole() {
        let text = difference("binding/b", None, manifest("Retain", "1")).unwrap();
        assert!(text.contains("\n+kind: Binding\n") && !text.contains("\n-"), "{text}");
    }
}
