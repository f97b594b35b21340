//! The Secret sink, through a whole agent, on a real API server. Every test's values begin with [`shop::CANARY`], and none may be seen
//! in a log, an answer or an Event.
#![expect(clippy::unwrap_used, reason = "a test ends where something unforeseen happens")]
#![expect(clippy::disallowed_methods, reason = "a test reads the clock as it likes")]

mod access;
#[path = "../link/authority.rs"]
mod authority;
#[path = "../link/capture.rs"]
mod capture;
mod delivery;
mod drift;
mod events;
#[expect(dead_code, reason = "the link's tests use all of it")]
#[path = "../link/fixture.rs"]
mod fixture;
mod immutable;
mod observing;
mod ownership;
mod places;
mod rbac;
mod restarting;
mod restoring;
mod scale;
mod seniority;
#[path = "../link/server.rs"]
mod server;
mod shop;
mod takeover;
