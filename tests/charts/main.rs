//! The charts: linted and rendered by the real helm, and judged by a real kube-apiserver.
#![expect(clippy::unwrap_used, reason = "functions that tests share are tests too")]

mod cases;
mod configuration;
mod documented;
mod images;
mod joined;
mod manifests;
mod monitoring;
mod objects;
mod pods;
mod registered;
mod rights;
mod values;
