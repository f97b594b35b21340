//! The REST API on a real registry, through its router: one file for each aspect.
#![expect(clippy::unwrap_used, reason = "a test ends where something unforeseen happens")]

mod audit;
mod authentication;
mod bindings;
mod blast_radius;
mod by_cluster;
mod certificate_authority;
mod clusters;
mod deletions;
mod deliveries;
mod engines;
mod fixture;
mod health;
mod history;
mod holders;
#[path = "../oidc/fixture.rs"]
#[expect(dead_code, reason = "the tests of verification use more of it")]
mod idp;
mod join_tokens;
mod lists;
mod log_filter;
mod login_methods;
mod logins;
mod maintenance_windows;
mod mistakes;
mod oidc;
mod refusals;
mod roles;
mod rollbacks;
mod rotations;
mod sources;
mod syncs;
mod teams;
mod tokens;
mod why;
mod writes;
