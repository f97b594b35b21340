//! `lockstep sync`.

use std::time::Duration;

use anyhow::bail;
use lockstep_api::binding::Sync;
use lockstep_api::delivery::Delivery;
use lockstep_core::delivery::DeliveryStatus;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::connection::ConnectionArgs;
use crate::format::Format;
use crate::kind::{Kind, Registered};
use crate::rest::client::Client;
use crate::rest::failure::Failure;
use crate::selection::title;

use crate::{age, progress, terminal};

/// Deliver a binding's secrets anew: read, sent and applied once more, also where all is in step
///
/// Its sources are looked at now, and not when that is due. Content that is the same restarts nothing. Clusters that are paused or away get it when they
/// are back. Asked for again within ten seconds it is the same sync. Needs the role operator of the project.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The binding
    binding: String,
    /// Only in this cluster
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Wait until every cluster has confirmed it; exits 1 if the time is over before that
    #[arg(short, long)]
    wait: bool,
    /// How long to wait
    #[arg(long, default_value = "60s", value_parser = age::parse, value_name = "DURATION", requires = "wait")]
    timeout: Duration,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  lockstep sync checkout-db
  lockstep sync checkout-db --cluster prod-eu --wait --timeout 2m";

const PERIOD: Duration = Duration::from_millis(500);

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let client = connection.client()?;
        let asked = progress::during("asking for it", client.sync(&self.binding, self.cluster.as_deref())).await;
        let asked = match (asked, &self.cluster) {
            // Which of the two is not there.
            (Err(Failure::NotFound(_)), Some(cluster)) if client.find::<Value>(&["bindings", &self.binding]).await?.is_some() => {
                return Err(client.missing(Kind::Registered(Registered::Cluster), cluster).await.into());
            }
            (asked, _) => client.explained(Kind::Registered(Registered::Binding), &self.binding, asked).await?,
        };
        let name = title(Registered::Binding, &self.binding);
        if asked.deliveries == 0 {
            let place = self.cluster.as_ref().map_or_else(String::new, |cluster| format!(" in cluster {cluster}"));
            bail!(
                "{name} delivers nothing{place} that could be delivered anew: `lockstep get placements --binding {}` says why",
                self.binding
            );
        }
        let deliveries = if asked.deliveries == 1 { "1 delivery".to_owned() } else { format!("{} deliveries", asked.deliveries) };
        let already = if asked.repeated { ", asked for a moment ago" } else { "" };
        terminal::tell(
            &self.output.render(&asked, || format!("{name} syncing: {deliveries} (revision {}{already})\n", asked.revision))?,
        )?;
        if !self.wait {
            terminal::hint(&format!("Next: `lockstep deliveries --binding {} -w` shows how it goes.", self.binding));
            return Ok(());
        }
        progress::during(&format!("waiting for {deliveries}"), self.wait(&client, &asked)).await
    }

    /// Prints each delivery that is done.
    async fn wait(&self, client: &Client, asked: &Sync) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.timeout;
        let mut done: Vec<String> = Vec::new();
        loop {
            let (arrived, missing) = match self.look(client, asked).await {
                Err(error) if error.downcast_ref::<Failure>().is_some_and(Failure::is_temporary) => {
                    (Vec::new(), vec![format!("{error:#}")])
                }
                other => other?,
            };
            for cluster in arrived {
                if !done.contains(&cluster) {
                    if self.output == Format::Table {
                        terminal::tell(&format!("{cluster}: {} confirmed", asked.binding))?;
                    }
                    done.push(cluster);
                }
            }
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() + PERIOD > deadline {
                bail!("timed out after {:?}: still waiting for {}:\n  {}", self.timeout, missing.len(), missing.join("\n  "));
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// The clusters that confirmed, and a sentence for each that did not.
    async fn look(&self, client: &Client, asked: &Sync) -> anyhow::Result<(Vec<String>, Vec<String>)> {
        let mut query = vec![("binding", self.binding.as_str())];
        query.extend(self.cluster.as_deref().map(|cluster| ("cluster", cluster)));
        let (mut arrived, mut missing) = (Vec::new(), Vec::new());
        for item in client.list(Kind::Delivery, &query).await? {
            let delivery = Delivery::deserialize(&item)?;
            // Not what was asked for: it was denied before, or placed since.
            if delivery.status == DeliveryStatus::Denied.as_str() && delivery.desired_revision != asked.revision {
                continue;
            }
            if is_done(&delivery, &asked.revision) {
                arrived.push(delivery.cluster);
            } else {
                let cause = delivery.cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                missing.push(format!("{} is {}{cause}", delivery.cluster, delivery.status));
            }
        }
        Ok((arrived, missing))
    }
}

/// Whether it was confirmed at this revision or a later one.
fn is_done(delivery: &Delivery, wanted: &str) -> bool {
    let parts =
        |text: &str| text.split_once('.').and_then(|(epoch, seq)| Some((epoch.parse::<u64>().ok()?, seq.parse::<u64>().ok()?)));
    let applied = delivery.applied_revision.as_deref().and_then(parts);
    applied.is_some_and(|applied| parts(wanted).is_some_and(|wanted| applied >= wanted))
}

impl Client {
    /// Asks for a binding to be delivered anew.
    async fn sync(&self, binding: &str, cluster: Option<&str>) -> Result<Sync, Failure> {
        let query: Vec<(&str, &str)> = cluster.map(|cluster| ("cluster", cluster)).into_iter().collect();
        self.answer(self.request(Method::POST, &["bindings", binding, "sync"]).query(&query)).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_delivery_is_done_at_the_revision_or_a_later_one_and_numbers_are_not_compared_as_text() {
        for (applied, want) in
            [(Some("1.9"), false), (Some("1.10"), true), (Some("1.11"), true), (Some("2.3"), true), (None, false)]
        {
            let mut delivery = json!({"cluster": "c", "binding": "b", "project": "p", "status": "InSync", "desiredRevision": "1.10", "targetsApplied": 1, "targetsTotal": 1});
            if let Some(applied) = applied {
                delivery["appliedRevision"] = json!(applied);
            }
            assert_eq!(is_done(&serde_json::from_value(delivery).unwrap(), "1.10"), want, "{applied:?}");
        }
    }
}
