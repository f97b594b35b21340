//! What is written of the metrics is what the collectors say of themselves.

use lockstep_agent::declared_metrics;
use lockstep_telemetry::catalogue::{table, unconventional};
use lockstep_testbed::page;

#[test]
fn the_table_of_the_agent_is_that_of_its_collectors() {
    page::generated("docs/metrics.md", "agent", &table(&declared_metrics().unwrap())).unwrap();
}

#[test]
fn names_and_labels_follow_prometheus_conventions() {
    assert_eq!(unconventional(&declared_metrics().unwrap()), Vec::<String>::new());
}
