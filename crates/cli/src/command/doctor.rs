//! `lockstep doctor`.

mod certificates;
mod connection;
mod finding;
mod fleet;

use std::collections::BTreeSet;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use lockstep_api::certificate_authority::CertificateAuthority;
use lockstep_api::change::Epoch;
use lockstep_core::delivery::DeliveryStatus;
use serde_json::{Value, json};

use crate::connection::ConnectionArgs;
use crate::format::Format;
use crate::kind::{Kind, Registered};
use crate::rest::client::Client;
use crate::rest::failure::Failure;
use crate::{clock, progress, terminal};
use finding::{Finding, Level};

/// Look for what is wrong, from here to the last cluster, and say what to do
///
/// Each line is `ok`, `warn` (may become a fault), `fail` (is one) or `skip` (your roles do not show it). Exits 1 if anything failed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  lockstep doctor
  lockstep doctor --context prod
  lockstep doctor -o json | jq '.findings[] | select(.level != \"ok\")'";

/// Deliveries of one status that are asked for: some are named, and that there are more is said.
const DELIVERIES_READ: usize = 101;
/// What a person has to look at, with whether it is a fault: what is kept from before is none yet.
const WRONG: [(DeliveryStatus, Level); 5] = [
    (DeliveryStatus::Failed, Level::Fail),
    (DeliveryStatus::Conflict, Level::Fail),
    (DeliveryStatus::Denied, Level::Fail),
    (DeliveryStatus::Held, Level::Fail),
    (DeliveryStatus::Stale, Level::Warn),
];

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<ExitCode> {
        let findings = progress::during("looking", look(connection)).await;
        let data = json!({"findings": findings});
        terminal::print(&self.output.render(&data, || finding::render(&findings, terminal::has_colours()))?)?;
        let failed = findings.iter().any(|finding| finding.level == Level::Fail);
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// Everything, in the order in which one thing depends on another: without a server, nothing more can be said.
async fn look(connection: &ConnectionArgs) -> Vec<Finding> {
    let client = match connection.client() {
        Ok(client) => client,
        Err(error) => return vec![Finding::fail("login", format!("{error:#}"))],
    };
    let mut findings = vec![Finding::ok("login", format!("there is a token for {}", client.server()))];
    let is_reached = connection::look(&client, &mut findings).await;
    if is_reached {
        all(&client, clock::now(), &mut findings).await;
    }
    findings
}

async fn all(client: &Client, now: DateTime<Utc>, findings: &mut Vec<Finding>) {
    findings.extend(told("history", client.get::<Epoch>(&["epoch"]).await.map(|epoch| fleet::history(&epoch))));
    let sources = client.list(Kind::Registered(Registered::Source), &[]).await;
    findings.extend(told("sources", sources.map(|sources| fleet::sources(&sources, now))));
    let clusters = client.list(Kind::Registered(Registered::Cluster), &[]).await;
    let out_of_use = clusters.as_deref().map(fleet::out_of_use).unwrap_or_default();
    findings.extend(told("clusters", clusters.map(|clusters| fleet::clusters(&clusters, now))));
    let authority = client.get::<CertificateAuthority>(&["certificateauthority"]).await;
    findings.extend(told("certificates", authority.map(|authority| certificates::authority(&authority, now))));
    findings.extend(told("deliveries", deliveries(client, &out_of_use).await));
    let rotations = client.list(Kind::Registered(Registered::Rotation), &[]).await;
    findings.extend(told("rotations", rotations.map(|rotations| fleet::rotations(&rotations))));
}

/// To clusters that are in use.
async fn deliveries(client: &Client, out_of_use: &BTreeSet<String>) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    let is_meant = |delivery: &Value| delivery["cluster"].as_str().is_none_or(|cluster| !out_of_use.contains(cluster));
    for (status, level) in WRONG {
        let found = client.first_of(Kind::Delivery, &[("status", status.as_str())], DELIVERIES_READ, is_meant).await?;
        findings.extend(fleet::deliveries(status, level, &found, DELIVERIES_READ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("deliveries", "none failed, is denied, in conflict, held or stale".to_owned()));
    }
    Ok(findings)
}

/// What could not be asked for is a finding too.
fn told(check: &'static str, asked: Result<Vec<Finding>, Failure>) -> Vec<Finding> {
    match asked {
        Ok(findings) => findings,
        Err(Failure::Forbidden(_)) => vec![Finding::skip(check, "your roles do not show it".to_owned())],
        Err(failure) => vec![Finding::fail(check, failure.to_string())],
    }
}
