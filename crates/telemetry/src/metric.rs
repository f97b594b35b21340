//! What a metric is called, what it means, and the collectors that are made of that.

use prometheus::{
    CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, while the process lives.
    Counter,
    /// How it is now.
    Gauge,
    /// How often it was how much.
    Histogram,
}

impl Kind {
    /// As Prometheus calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A label, and which values it has. Of a cluster's or a source's name there is nothing more to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values in Markdown, where they are not names.
    pub values: &'static str,
}

impl Label {
    /// One whose values are a closed set, or follow a rule.
    pub const fn of(name: &'static str, values: &'static str) -> Self {
        Self { name, values }
    }
}

/// The name of a cluster.
pub const CLUSTER: Label = Label::of("cluster", "");
/// The name of a source.
pub const SOURCE: Label = Label::of("source", "");

/// A metric, as it is declared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Such as `lockstep_deliveries_sent_total`.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What it says, in one line.
    pub help: &'static str,
    /// Constant, and few.
    pub labels: &'static [Label],
    /// Of a histogram: the upper bounds.
    pub buckets: &'static [f64],
}

/// Nothing here can be changed at run time: a name that Prometheus does not accept fails each test that makes the metrics.
const VALID: &str = "the metric's constant name and labels are valid";

impl Metric {
    /// A counter.
    pub const fn counter(name: &'static str, help: &'static str, labels: &'static [Label]) -> Self {
        Self { name, kind: Kind::Counter, help, labels, buckets: &[] }
    }

    /// A gauge.
    pub const fn gauge(name: &'static str, help: &'static str, labels: &'static [Label]) -> Self {
        Self { name, kind: Kind::Gauge, help, labels, buckets: &[] }
    }

    /// A histogram.
    pub const fn histogram(name: &'static str, help: &'static str, labels: &'static [Label], buckets: &'static [f64]) -> Self {
        Self { name, kind: Kind::Histogram, help, labels, buckets }
    }

    /// Its unit, which is in its name.
    pub fn unit(&self) -> &'static str {
        let base = self.name.strip_suffix("_total").unwrap_or(self.name);
        match base {
            _ if base.ends_with("_timestamp_seconds") => "Unix seconds",
            _ if base.ends_with("_seconds") => "seconds",
            _ if base.ends_with("_bytes") => "bytes",
            _ => "",
        }
    }

    fn opts(&self, kind: Kind) -> Opts {
        assert!(self.kind == kind, "{} is declared as a {}", self.name, self.kind.as_str());
        Opts::new(self.name, self.help)
    }

    fn histogram_opts(&self) -> HistogramOpts {
        assert!(self.kind == Kind::Histogram, "{} is declared as a {}", self.name, self.kind.as_str());
        HistogramOpts::new(self.name, self.help).buckets(self.buckets.to_vec())
    }

    fn label_names(&self) -> Vec<&'static str> {
        self.labels.iter().map(|label| label.name).collect()
    }
}

/// A collector that is made of a declaration.
pub trait Collects: Sized {
    /// It, at its beginning.
    fn declared(metric: &Metric) -> Self;
}

macro_rules! collects {
    ($($collector:ty: $kind:expr),*) => {$(
        impl Collects for $collector {
            fn declared(metric: &Metric) -> Self {
                assert!(metric.labels.is_empty(), "{} has labels", metric.name);
                Self::with_opts(metric.opts($kind)).expect(VALID)
            }
        }
    )*};
}
collects!(IntCounter: Kind::Counter, IntGauge: Kind::Gauge, Gauge: Kind::Gauge);

macro_rules! collects_with_labels {
    ($($collector:ty: $kind:expr),*) => {$(
        impl Collects for $collector {
            fn declared(metric: &Metric) -> Self {
                Self::new(metric.opts($kind), &metric.label_names()).expect(VALID)
            }
        }
    )*};
}
collects_with_labels!(IntCounterVec: Kind::Counter, CounterVec: Kind::Counter, IntGaugeVec: Kind::Gauge, GaugeVec: Kind::Gauge);

impl Collects for Histogram {
    fn declared(metric: &Metric) -> Self {
        assert!(metric.labels.is_empty(), "{} has labels", metric.name);
        Self::with_opts(metric.histogram_opts()).expect(VALID)
    }
}

impl Collects for HistogramVec {
    fn declared(metric: &Metric) -> Self {
        Self::new(metric.histogram_opts(), &metric.label_names()).expect(VALID)
    }
}
