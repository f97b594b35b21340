//! What is written of the metrics is what the collectors say of themselves.

use lockstep_agent::{declared_metrics, node};
use lockstep_telemetry::catalogue::{table, unconventional};
use lockstep_testbed::page;

/// One after the other: with LOCKSTEP_BLESS they write the same page.
#[test]
fn the_tables_of_the_agent_and_of_the_node_agent_are_those_of_their_collectors() {
    page::generated("docs/metrics.md", "agent", &table(&declared_metrics().unwrap())).unwrap();
    page::generated("docs/metrics.md", "node", &table(&node::declared_metrics().unwrap())).unwrap();
}

#[test]
fn names_and_labels_follow_prometheus_conventions() {
    for metrics in [declared_metrics().unwrap(), node::declared_metrics().unwrap()] {
        assert_eq!(unconventional(&metrics), Vec::<String>::new());
    }
}
