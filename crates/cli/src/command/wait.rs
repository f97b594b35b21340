//! `lockstep wait`.

mod goal;

use std::time::Duration;

use anyhow::{bail, ensure};
use lockstep_core::delivery::DeliveryStatus;
use serde_json::Value;
use tokio::time::Instant;

use crate::connection::ConnectionArgs;
use crate::kind::{Kind, Registered};
use crate::rest::client::Client;
use crate::rest::failure::Failure;
use crate::selection::{named, title};
use crate::{age, item, progress, terminal};
use goal::Goal;

/// Wait until something is so; exits 0 when it is, 1 when the time is over
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// KIND/NAME…, or KIND with --all
    #[arg(value_name = "KIND/NAME", required_unless_present = "all")]
    words: Vec<String>,
    /// condition=InSync (bindings), condition=Ready (clusters, sources) or delete
    #[arg(long = "for", value_name = "GOAL")]
    goal: Goal,
    /// All of the kind: bindings for InSync, clusters for Ready
    #[arg(long)]
    all: bool,
    /// How long
    #[arg(long, default_value = "60s", value_parser = age::parse, value_name = "DURATION")]
    timeout: Duration,
}

const EXAMPLES: &str = "\
Examples:
  lockstep apply -f binding.yaml && lockstep wait --for=condition=InSync binding/checkout-db
  lockstep wait --for=condition=InSync --all --timeout 5m
  lockstep wait --for=condition=Ready cluster/prod-eu
  lockstep wait --for=delete cluster/prod-eu";

/// Things whose causes are asked for when the time is over.
const CAUSES_MAX: usize = 20;
/// Soon enough for a script.
const PERIOD: Duration = Duration::from_millis(500);

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let targets = self.targets()?;
        targets.kinds().into_iter().try_for_each(|kind| self.goal.check(kind))?;
        let client = connection.client()?;
        let deadline = Instant::now() + self.timeout;
        progress::during(&format!("waiting for {}", self.goal), self.wait(&client, &targets, deadline)).await
    }

    async fn wait(&self, client: &Client, targets: &Targets, deadline: Instant) -> anyhow::Result<()> {
        let mut met: Vec<String> = Vec::new();
        loop {
            let missing = match self.look(client, targets, &mut met).await {
                Ok(missing) if missing.is_empty() => return Ok(()),
                Ok(missing) => Ok(missing),
                // A server that restarts is no answer yet.
                Err(error) if error.downcast_ref::<Failure>().is_some_and(Failure::is_temporary) => Err(format!("{error:#}")),
                Err(error) => return Err(error),
            };
            if Instant::now() + PERIOD > deadline {
                let missing = match missing {
                    Ok(missing) => in_vain(with_causes(client, missing).await, targets),
                    Err(sentence) => sentence,
                };
                bail!("timed out after {:?}: {missing}", self.timeout);
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Prints what is newly met; gives a sentence for each that is not.
    async fn look(&self, client: &Client, targets: &Targets, met: &mut Vec<String>) -> anyhow::Result<Vec<String>> {
        let mut missing = Vec::new();
        let found = fetch(client, targets).await?;
        if let (Targets::All(kind), [], false) = (targets, found.as_slice(), self.goal == Goal::Delete) {
            bail!("there are no {}: nothing to wait for", kind.plural());
        }
        for (subject, found) in found {
            if let (Goal::Condition { .. }, None, Some((kind, name))) = (&self.goal, &found, targets.named(&subject)) {
                // As kubectl: what does not exist is not waited for.
                return Err(client.missing(Kind::Registered(kind), name).await.into());
            }
            match self.goal.missing(found.as_ref()) {
                None if met.contains(&subject) => {}
                None => {
                    terminal::tell(&format!("{subject} {}", self.goal.met()))?;
                    met.push(subject);
                }
                Some(why) => missing.push(format!("{subject} {why}")),
            }
        }
        Ok(missing)
    }

    fn targets(&self) -> anyhow::Result<Targets> {
        if !self.all {
            return named(&self.words).map(Targets::Named);
        }
        ensure!(self.words.len() <= 1, "--all takes one kind and no names");
        match self.words.first() {
            Some(kind) => Ok(Targets::All(kind.parse()?)),
            None => match self.goal.usual_kind() {
                Some(kind) => Ok(Targets::All(kind)),
                None => bail!("say of which kind, such as `lockstep wait --for={} --all bindings`", self.goal),
            },
        }
    }
}

/// Whom to look at.
enum Targets {
    Named(Vec<(Registered, String)>),
    All(Registered),
}

impl Targets {
    fn kinds(&self) -> Vec<Registered> {
        match self {
            Self::Named(names) => names.iter().map(|(kind, _)| *kind).collect(),
            Self::All(kind) => vec![*kind],
        }
    }

    /// The one that was named so, as in `binding/checkout-db`.
    fn named(&self, subject: &str) -> Option<(Registered, &str)> {
        let Self::Named(names) = self else { return None };
        names.iter().find(|(kind, name)| title(*kind, name) == subject).map(|(kind, name)| (*kind, name.as_str()))
    }
}

/// Sentences about things, with the first cause that a delivery of each gives. What cannot be asked for is left out.
async fn with_causes(client: &Client, mut missing: Vec<String>) -> Vec<String> {
    for sentence in missing.iter_mut().take(CAUSES_MAX) {
        let subject = sentence.split(' ').next().unwrap_or_default();
        let Some(binding) = subject.strip_prefix("binding/") else { continue };
        let deliveries = client.list(Kind::Delivery, &[("binding", binding)]).await.unwrap_or_default();
        if let Some(cause) = first_cause(&deliveries) {
            sentence.push_str(&cause);
        }
    }
    missing
}

fn first_cause(deliveries: &[Value]) -> Option<String> {
    let mut wrong = deliveries.iter().filter(|delivery| delivery["status"] != DeliveryStatus::InSync.as_str());
    wrong.find_map(|d| Some(format!("; {}: {}", d["cluster"].as_str()?, d["cause"].as_str()?)))
}

/// What was waited for in vain: one in a sentence, several in a line each, with where more is shown.
fn in_vain(mut missing: Vec<String>, targets: &Targets) -> String {
    for sentence in &mut missing {
        let more = sentence.split(' ').next().unwrap_or_default().replacen('/', " ", 1);
        *sentence = format!("{sentence} (more: lockstep describe {more})");
    }
    match (missing.as_slice(), targets) {
        ([one], Targets::Named(_)) => one.clone(),
        (several, _) => format!("still waiting for {}:\n  {}", several.len(), several.join("\n  ")),
    }
}

/// Each target with its manifest, if it exists.
async fn fetch(client: &Client, targets: &Targets) -> Result<Vec<(String, Option<Value>)>, Failure> {
    match targets {
        Targets::All(kind) => {
            let items = client.list(Kind::Registered(*kind), &[]).await?;
            let named = |manifest| (title(*kind, &item::name(Kind::Registered(*kind), &manifest)), Some(manifest));
            Ok(items.into_iter().map(named).collect())
        }
        Targets::Named(names) => {
            let mut found = Vec::new();
            for (kind, name) in names {
                found.push((title(*kind, name), client.find(&[kind.plural(), name]).await?));
            }
            Ok(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_waited_for_in_vain_has_a_line_each_with_where_its_causes_are() {
        let missing = ["binding/a is not InSync: 1 of 2", "binding/b is not InSync: 0 of 2"].map(ToOwned::to_owned);
        let all = Targets::All(Registered::Binding);
        let want = "still waiting for 2:\n  binding/a is not InSync: 1 of 2 (more: lockstep describe binding a)\n  \
                    binding/b is not InSync: 0 of 2 (more: lockstep describe binding b)";
        assert_eq!(in_vain(missing.to_vec(), &all), want);
        let one = Targets::Named(vec![(Registered::Binding, "a".to_owned())]);
        let want = "binding/a is not InSync: 1 of 2 (more: lockstep describe binding a)";
        assert_eq!(in_vain(missing[..1].to_vec(), &one), want);
    }

    #[test]
    fn the_first_cause_of_a_delivery_that_is_not_in_sync_is_told() {
        let delivery =
            |cluster: &str, status: &str, cause: Option<&str>| json!({"cluster": cluster, "status": status, "cause": cause});
        let deliveries =
            [delivery("a", "InSync", Some("x")), delivery("b", "Sending", None), delivery("c", "Paused", Some("it is paused"))];
        assert_eq!(first_cause(&deliveries).as_deref(), Some("; c: it is paused"));
        assert_eq!(first_cause(&deliveries[..2]), None);
    }
}
