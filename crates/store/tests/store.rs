//! The registry on a real Postgres: one file per aspect.

mod fixture;

mod leases;
mod pages;
mod permits;
mod placements;
mod pool;
mod reports;
mod revision;
mod scale;
mod selectors;
mod sessions;
mod statuses;
mod tampering;
mod things;
mod tokens;
mod writers;
