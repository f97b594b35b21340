//! Dashboards and alerts: built from their source, understood by Grafana's own models and by promtool, and evaluated on a real Prometheus and a real registry.

mod board;
mod exceptions;
mod interpolation;
mod live;
mod metrics;
mod panels;
mod python;
mod rules;
mod source;
mod truth;
