//! The agent against a server of the tests' own that speaks the protocol over real mutual TLS.
#![expect(clippy::unwrap_used, reason = "a test ends where something unforeseen happens")]
#![expect(clippy::disallowed_methods, reason = "a test reads the clock as it likes")]

mod authority;
mod capture;
mod crash;
mod drift;
mod fixture;
mod joining;
mod linking;
mod renewing;
mod server;
mod trusting;
