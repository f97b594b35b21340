//! Lockstep's domain: what the words of the design mean and the rules between them, without I/O.
//!
//! Nothing here reads a clock, a random source, a file or a socket: time, randomness and observations come in as arguments, so
//! that every rule can be tried in a table or a property test.

pub mod access;
pub mod binding;
pub mod blast_radius;
pub mod choice;
pub mod cluster;
pub mod database;
pub mod delivery;
pub mod digest;
pub mod duration;
pub mod engine;
pub mod exposure;
pub mod fingerprint;
pub mod glob;
pub mod grant;
pub mod history;
pub mod id;
pub mod kv;
pub mod label;
#[cfg(feature = "schedule")]
pub mod maintenance;
pub mod material;
pub mod name;
pub mod namespaces;
pub mod placement;
pub mod plan;
pub mod recipe;
pub mod render;
pub mod revision;
pub mod rollback;
#[cfg(feature = "schedule")]
pub mod rotation;
#[cfg(feature = "schedule")]
pub mod schedule;
pub mod selector;
pub mod source;
pub mod spiffe;
#[cfg(feature = "templates")]
pub mod template;
pub mod trace;
pub mod version;
pub mod why;
