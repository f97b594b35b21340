//! Requests that schemathesis makes from the API's own description, sent to a server on real parts: whatever is asked, the answer is one that the
//! description has.

mod description;
mod schemathesis;

use anyhow::{Result, ensure};
use lockstep_testbed::Fleet;
use lockstep_testbed::fleet::{KV, STORY_LIMIT, Settings};
use serde_json::json;

/// Fewer would mean that it was not really tried.
const CASES_MIN: u64 = 2_000;

#[tokio::test]
async fn every_answer_to_requests_made_from_the_description_is_one_that_the_description_has() -> Result<()> {
    let fleet = Fleet::start(Settings { replicas: 1, clusters: 1, log: "info".to_owned(), ..Settings::default() }).await?;
    // So that requests meet something that is there.
    fleet.bao.kv_put(KV, "shop/db", &json!({ "password": "one" })).await?;
    fleet.apply(&[&Fleet::binding("db"), fleet.basics().as_str()].concat()).await?;
    fleet.await_deliveries("InSync", 1, STORY_LIMIT).await?;

    let run = schemathesis::run(&fleet).await?;
    let report = &run.report;
    println!("{} cases for {} of {} operations in {} s", report.cases, report.tested, report.operations, report.seconds);
    ensure!(run.is_good && report.failures == 0 && report.errors == 0, "{}", run.told);
    ensure!(report.tested == report.operations, "not every operation was tried: {}", run.told);
    ensure!(report.cases >= CASES_MIN, "only {} cases were made: {}", report.cases, run.told);

    // `default` describes any status; the list of codes says which can be.
    let statuses = description::statuses_answered(&fleet).await?;
    let described = description::statuses(&fleet).await?;
    println!("answers by status: {statuses:?}");
    for (status, count) in statuses {
        ensure!(described.contains(&status), "{count} answers had the status {status}, which the description does not have");
        ensure!(status < 500, "{count} answers had the status {status}");
    }
    Ok(())
}
