//! `lockstep-server`: the control plane. Any number of replicas run it against one Postgres.
//!
//! The data's way: [`watch`] observes Vault and records versions; commits wake [`dispatch`], which reads what connected clusters
//! should hold and hands the difference to their sessions in [`gateway`]; sessions send, and their answers go through [`reports`]
//! back into the registry. [`rest`] is where people and their tools write what is wanted and read what is.

pub mod actor;
pub mod app;
mod attempts;
pub mod authority;
pub mod bootstrap;
pub mod clock;
pub mod cluster_readers;
pub mod config;
pub mod digest_root;
pub mod dispatch;
pub mod gateway;
pub mod gauges;
pub mod history_mark;
pub mod history_walk;
pub mod http_listener;
pub mod hygiene;
pub mod join;
pub mod logging;
pub mod material_cache;
pub mod memory;
pub mod metrics;
pub mod oidc;
pub mod propagation;
pub mod readiness;
pub mod reports;
pub mod rest;
pub mod rotate;
pub mod run;
pub mod schedule;
pub mod sources;
pub mod starting;
pub mod tls;
pub mod token;
pub mod watch;
