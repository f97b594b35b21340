//! What is registered, in the order in which it was declared, and how it is written down for people.

use std::fmt::Write as _;

use prometheus::core::Collector;
use prometheus::{Registry, Result};

use crate::metric::{Collects, Kind, Metric};

/// Registers metrics and remembers what they are.
pub struct Catalogue<'a> {
    registry: &'a Registry,
    metrics: Vec<Metric>,
}

impl<'a> Catalogue<'a> {
    /// Of this registry.
    pub fn of(registry: &'a Registry) -> Self {
        Self { registry, metrics: Vec::new() }
    }

    /// Makes the collector of a declaration, and registers it.
    pub fn add<T: Collects + Collector + Clone + 'static>(&mut self, metric: Metric) -> Result<T> {
        let collector = T::declared(&metric);
        self.register(metric, &collector)?;
        Ok(collector)
    }

    /// Registers the collector that was made of this declaration.
    pub fn register<T: Collector + Clone + 'static>(&mut self, metric: Metric, collector: &T) -> Result<()> {
        self.registry.register(Box::new(collector.clone()))?;
        self.metrics.push(metric);
        Ok(())
    }

    /// What was registered, in its order.
    pub fn metrics(self) -> Vec<Metric> {
        self.metrics
    }
}

/// A table in Markdown.
pub fn table(metrics: &[Metric]) -> String {
    let mut text = "| metric | type, unit | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for metric in metrics {
        let _ = writeln!(text, "| `{}` | {} | {} | {} |", metric.name, type_and_unit(metric), labels(metric), metric.help);
    }
    text
}

fn type_and_unit(metric: &Metric) -> String {
    let mut words = vec![metric.kind.as_str().to_owned()];
    words.extend((!metric.unit().is_empty()).then(|| metric.unit().to_owned()));
    if let (Kind::Histogram, Some(first), Some(last)) = (metric.kind, metric.buckets.first(), metric.buckets.last()) {
        words.push(format!("{first} to {last}"));
    }
    words.join(", ")
}

fn labels(metric: &Metric) -> String {
    let one = |label: &crate::metric::Label| match label.values {
        "" => format!("`{}`", label.name),
        values => format!("`{}`: {values}", label.name),
    };
    metric.labels.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What is wrong with their names: Prometheus' conventions are checked here once for all.
pub fn unconventional(metrics: &[Metric]) -> Vec<String> {
    let mut found = Vec::new();
    for metric in metrics {
        let mut wrong = |what: &str| found.push(format!("{}: {what}", metric.name));
        if (metric.kind == Kind::Counter) != metric.name.ends_with("_total") {
            wrong("a counter, and nothing else, ends in _total");
        }
        if ["_ms", "_milliseconds", "_minutes", "_kb", "_mb", "_count", "_bucket", "_sum"]
            .iter()
            .any(|end| metric.name.ends_with(end))
        {
            wrong("use base units, and none of Prometheus' own endings");
        }
        if metric.kind == Kind::Histogram && metric.unit().is_empty() {
            wrong("a histogram has a unit");
        }
        if metric.labels.iter().any(|l| ["path", "binding", "project", "secret", "rotation", "namespace"].contains(&l.name)) {
            wrong("a label that has as many values as there are secrets or bindings");
        }
        if metric.help.contains(['|', '\n']) || metric.help.is_empty() {
            wrong("its meaning is one line, and stands in a table");
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{CLUSTER, Label};
    use prometheus::{HistogramVec, IntCounterVec, TextEncoder};

    const SENT: Metric = Metric::counter("lockstep_sent_total", "what was sent", &[CLUSTER]);
    const BY_PATH: &[Label] = &[Label::of("path", "")];
    const TOOK: Metric = Metric::histogram(
        "lockstep_took_seconds",
        "how long it took",
        &[Label::of("stage", "`sent`, `applied`")],
        &[0.01, 600.0],
    );

    #[test]
    fn a_collector_and_its_line_for_people_are_made_of_one_declaration() {
        let registry = Registry::new();
        let mut catalogue = Catalogue::of(&registry);
        let sent: IntCounterVec = catalogue.add(SENT).unwrap();
        let took: HistogramVec = catalogue.add(TOOK).unwrap();
        sent.with_label_values(&["a"]).inc();
        took.with_label_values(&["sent"]).observe(1.0);
        let metrics = catalogue.metrics();
        let shown = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        assert!(shown.contains("# HELP lockstep_sent_total what was sent"), "{shown}");
        let written = table(&metrics);
        assert!(written.contains("| `lockstep_sent_total` | counter | `cluster` | what was sent |"), "{written}");
        assert!(written.contains("| histogram, seconds, 0.01 to 600 | `stage`: `sent`, `applied` |"), "{written}");
        assert_eq!(unconventional(&metrics), Vec::<String>::new());
    }

    #[test]
    fn names_that_break_the_conventions_are_found() {
        let wrong = [
            Metric::counter("lockstep_sent", "what was sent", &[]),
            Metric::gauge("lockstep_wait_ms", "how long", &[]),
            Metric::gauge("lockstep_secrets", "how many", BY_PATH),
            Metric::histogram("lockstep_took", "how long", &[], &[1.0]),
        ];
        assert_eq!(unconventional(&wrong).len(), 4, "{:?}", unconventional(&wrong));
    }
}
