//! Agents as processes on a real API server, with a Role that names what they may touch.
#![expect(clippy::unwrap_used, reason = "a test ends where something unforeseen happens")]
#![expect(clippy::disallowed_methods, reason = "a test reads the clock as it likes")]

#[path = "../link/authority.rs"]
mod authority;
mod cluster;
#[expect(dead_code, reason = "the link's tests use all of it")]
#[path = "../link/fixture.rs"]
mod fixture;
mod restart;
#[path = "../link/server.rs"]
mod server;
mod state;
mod takeover;
