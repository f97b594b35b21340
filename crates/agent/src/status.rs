//! `lockstep-agent status`: who this agent is and what it holds. No value, no key.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use lockstep_core::binding::Target;
use lockstep_core::history::Mark;
use lockstep_core::id::{BindingId, ClusterId, InstanceId, RegistryId};
use lockstep_core::name::Namespace;
use lockstep_core::revision::Revision;
use serde::Serialize;

use crate::agent::AgentError;
use crate::cache::Cached;
use crate::clock::{Clock as _, SystemClock};
use crate::command::{OutputFormat, StatusArguments};
use crate::kubernetes::Kubernetes;
use crate::state::ledger::{Holding, Ledger};
use crate::state::secret::StateSecret;
use crate::state::{State, StateDir, identity};

/// What is shown.
#[derive(Debug, Serialize)]
struct Status {
    cluster: ClusterId,
    cluster_name: String,
    instance: Option<InstanceId>,
    certificate_not_after: DateTime<Utc>,
    registry: Option<RegistryId>,
    floor: Option<Mark>,
    bindings: Vec<BindingStatus>,
    /// Where its cache was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    volumes: Option<Cached>,
}

/// One binding that has content.
#[derive(Debug, Serialize)]
struct BindingStatus {
    binding: BindingId,
    name: String,
    revision: Revision,
    target: Target,
}

/// The text to print.
pub async fn status(arguments: &StatusArguments) -> anyhow::Result<String> {
    let state = state(arguments).await?;
    let identity = identity::load(&state).await?.ok_or(AgentError::NotJoined)?;
    let ledger = Ledger::open(&state).await?;
    let bindings = ledger.iter().filter_map(|(binding, holding)| match holding {
        Holding::Held(held) => {
            Some(BindingStatus { binding, name: held.name.clone(), revision: held.revision, target: held.target.clone() })
        }
        Holding::Observed(_) | Holding::GivenUp { .. } => None,
    });
    let status = Status {
        cluster: identity.cluster,
        instance: identity.leaf.agent.map(|agent| agent.instance),
        cluster_name: identity.cluster_name,
        certificate_not_after: identity.leaf.not_after,
        registry: ledger.registry(),
        floor: ledger.floor(),
        bindings: bindings.collect(),
        volumes: arguments.cache_dir.as_deref().map(volumes).transpose()?,
    };
    match arguments.output {
        OutputFormat::Json => Ok(serde_json::to_string_pretty(&status).context("writing the status as JSON")? + "\n"),
        OutputFormat::Table => Ok(table(&status, SystemClock::start().now())),
    }
}

fn volumes(cache: &Path) -> anyhow::Result<Cached> {
    Cached::look(cache).with_context(|| format!("the cache {} cannot be looked at: correct --cache-dir", cache.display()))
}

async fn state(arguments: &StatusArguments) -> Result<State, AgentError> {
    if let Some(dir) = &arguments.state_dir {
        return Ok(State::Directory(StateDir::at(dir)));
    }
    let kubernetes = Kubernetes::connect(&arguments.cluster).await.map_err(AgentError::Kubernetes)?;
    Ok(State::Secret(StateSecret::look(&kubernetes, &arguments.cluster.state_secret).await?.into()))
}

fn table(status: &Status, now: DateTime<Utc>) -> String {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none yet".to_owned());
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<13}{value}");
    };
    line("cluster", format!("{} ({})", status.cluster_name, status.cluster));
    line("instance", or_none(status.instance.map(|i| i.to_string())));
    line("certificate", format!("until {}", status.certificate_not_after.to_rfc3339()));
    line("registry", or_none(status.registry.map(|r| r.to_string())));
    line("floor", or_none(status.floor.map(|f| format!("{}.{} {}", f.epoch, f.seq, f.hash))));
    if let Some(Cached { bindings, confirmed }) = &status.volumes {
        let last = confirmed.map_or_else(
            || "no server was there yet".to_owned(),
            |at| format!("a server was last there {} ago, {}", rough(now - at), at.to_rfc3339()),
        );
        line("volumes", format!("{bindings} in the cache; {last}"));
    }
    line("bindings", status.bindings.len().to_string());
    for binding in &status.bindings {
        let target = match &binding.target {
            Target::Directory { name } => format!("directory/{name}"),
            Target::Csi(csi) => {
                format!("csi/{}", csi.namespaces.iter().map(Namespace::as_str).collect::<Vec<_>>().join(","))
            }
            Target::Secret(secret) => format!("secret/{}", secret.name),
        };
        let _ = writeln!(text, "  {:<24} {:<12} {target}", binding.name, binding.revision.to_string());
    }
    text
}

/// How long, in the largest unit of which there are two.
fn rough(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    match [(86_400, "days"), (3_600, "h"), (60, "min")].into_iter().find(|(unit, _)| seconds >= 2 * unit) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_the_largest_unit_of_which_there_are_two() {
        for (seconds, want) in
            [(-5, "0 s"), (40, "40 s"), (119, "119 s"), (120, "2 min"), (7_199, "119 min"), (200_000, "2 days")]
        {
            assert_eq!(rough(TimeDelta::seconds(seconds)), want);
        }
    }
}
