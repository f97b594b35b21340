//! Volumes for node agents, through a whole agent, on a real API server with real tokens. Every value begins with [`site::CANARY`], and
//! neither a value nor a token may be seen in a log or an answer.
#![expect(clippy::unwrap_used, reason = "a test ends where something unforeseen happens")]
#![expect(clippy::disallowed_methods, reason = "a test reads the clock as it likes")]

#[path = "../link/authority.rs"]
mod authority;
#[path = "../link/capture.rs"]
mod capture;
#[expect(dead_code, reason = "the link's tests use all of it")]
#[path = "../link/fixture.rs"]
mod fixture;
mod following;
mod outage;
mod reading;
mod refusing;
#[path = "../link/server.rs"]
mod server;
mod site;
mod stalling;
mod trust;
mod two;
