//! Which statuses the API's description has, and which the server gave.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use lockstep_testbed::Fleet;
use serde_json::Value;

/// Those that operations name, and those of the codes of problems, which the introduction lists as `` `code` (status) ``.
pub(crate) async fn statuses(fleet: &Fleet) -> Result<BTreeSet<u16>> {
    let ca = reqwest::Certificate::from_pem(&std::fs::read(fleet.root_file())?)?;
    let client = reqwest::Client::builder().tls_certs_only([ca]).build()?;
    let url = format!("{}/openapi.json", fleet.replicas[0].rest_url());
    let document: Value = serde_json::from_slice(&client.get(url).send().await?.error_for_status()?.bytes().await?)?;
    let operations = document["paths"].as_object().context("no paths")?.values().filter_map(Value::as_object);
    let responses = operations.flat_map(|path| path.values()).filter_map(|operation| operation["responses"].as_object());
    let named = responses.flat_map(|responses| responses.keys()).filter_map(|status| status.parse().ok());
    let introduction = document["info"]["description"].as_str().context("no introduction")?;
    let of_codes = introduction.split("` (").skip(1).filter_map(|rest| rest.split(')').next()?.parse().ok());
    Ok(named.chain(of_codes).collect())
}

/// How many answers had which status, by the server's own count.
pub(crate) async fn statuses_answered(fleet: &Fleet) -> Result<BTreeMap<u16, u64>> {
    let mut answered = BTreeMap::new();
    for line in fleet.replicas[0].metrics().await?.lines().filter(|line| line.starts_with("lockstep_http_requests_total{")) {
        let status =
            line.split("status=\"").nth(1).and_then(|rest| rest.split('"').next()).context("a count without a status")?;
        let count: u64 = line.rsplit(' ').next().context("a count without a value")?.parse()?;
        *answered.entry(status.parse()?).or_default() += count;
    }
    Ok(answered)
}
