//! What an agent may say and what it gets for it, by agents that say what they like: to real servers.

#![expect(clippy::disallowed_methods, reason = "a test reads the clock as it likes")]

mod certificates;
mod foreign;
mod keyless;
mod purging;
mod raw;
mod rejoining;
mod revoking;
mod setting;
mod sinks;
mod tokens;
