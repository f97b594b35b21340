//! The registry on a real Postgres: one file per aspect.

mod api_tokens;
mod by_cluster;
mod engines;
mod fixture;
mod grafana;

mod guard;
mod leases;
mod leave;
mod logins;
mod migrations;
mod noticed;
mod pages;
mod placements;
mod pool;
mod reaches;
mod rebound;
mod reports;
mod revision;
mod rotations;
mod scale;
mod selectors;
mod sessions;
mod shown;
mod statuses;
mod tampering;
mod things;
mod tokens;
mod trust;
mod versions;
mod writers;
