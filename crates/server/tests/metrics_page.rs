//! What is written of the metrics is what the collectors say of themselves.

use anyhow::Result;
use lockstep_server::metrics::Metrics;
use lockstep_telemetry::catalogue::{table, unconventional};
use lockstep_testbed::page;

#[test]
fn the_tables_of_the_server_are_those_of_its_collectors() -> Result<()> {
    let metrics = Metrics::new(&lockstep_vault::Metrics::new())?;
    page::generated("docs/metrics.md", "server", &table(metrics.declared()))?;
    page::generated("docs/metrics.md", "vault", &table(metrics.declared_by_vault()))
}

#[test]
fn names_and_labels_follow_prometheus_conventions() -> Result<()> {
    let metrics = Metrics::new(&lockstep_vault::Metrics::new())?;
    let all = [metrics.declared(), metrics.declared_by_vault()].concat();
    assert!(all.len() > 40, "only {} metrics", all.len());
    assert_eq!(unconventional(&all), Vec::<String>::new());
    Ok(())
}
