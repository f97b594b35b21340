//! The command as a script sees it: what it prints where, and its exit code. Nothing here needs a server.
#![expect(clippy::unwrap_used, reason = "functions that tests share are tests too")]

mod audit;
mod certificate;
mod completion;
mod connection;
mod context;
mod help;
mod import;
mod mistakes;
mod refused;
mod run;
