//! The shapes on the wire of the REST API: manifests and problem bodies, shared by server and CLI.
//!
//! A manifest is plain text and numbers. [`decode`] finds unknown fields and wrong types, `TryFrom` turns a spec into the domain's
//! checked types; both report every mistake at once, each with the field it is in.

pub mod access;
pub mod binding;
pub mod blast_radius;
pub mod certificate_authority;
pub mod change;
pub mod cluster;
pub mod decode;
pub mod delivery;
pub mod field;
pub mod grant;
pub mod holder;
pub mod log_filter;
pub mod login;
pub mod maintenance_window;
pub mod manifest;
pub mod problem;
pub mod project;
pub mod refusal;
pub mod role_assignment;
pub mod rotation;
pub mod secret;
pub mod selector;
pub mod source;
pub mod token;
pub mod why;

/// The one API version.
pub const API_VERSION: &str = "lockstep.dev/v1";
