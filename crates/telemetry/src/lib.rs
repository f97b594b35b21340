//! How our processes show themselves: metrics, each declared once with what it means; and, behind a feature, traces.
//!
//! A [`metric::Metric`] is a constant; the collector is made of it, and so is its line in `docs/metrics.md`.

pub mod catalogue;
pub mod loops;
pub mod metric;
#[cfg(feature = "traces")]
pub mod traces;
