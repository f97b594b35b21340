//! Lockstep's only way to a Vault (HashiCorp Vault 1.15 or newer, OpenBao 2.2 or newer): login, KV, SCAN, static roles of databases, PKI, and
//! what a rotation does there.
//!
//! Nothing of vaultrs, rustify or reqwest shows in this crate's interface, and no token, body or material in any error, `Debug`
//! or log line of it. Material goes from an answer's body, which is wiped, straight into [`lockstep_core::material::Material`].
//!
//! Code map: [`Vault`] (`client`) joins a `session` (who we are) and a `transport` (where it goes); `kv`, `kv1`, `scan`, `static_role`,
//! `document`, `pki`, `rights` and `health` each hold one kind of call; `write`, `database`, `password`, `pki::issue` and `acts` are a
//! rotation's; [`budget`] and [`read_plan`] serve the watcher.

mod acts;
mod answer;
mod body;
pub mod budget;
mod cause;
mod client;
mod concern;
mod credential_file;
mod database;
mod document;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod health;
mod held_token;
mod kv;
mod kv1;
mod lease;
mod login;
mod metadata;
mod metrics;
mod node;
mod noise;
mod password;
mod pki;
pub mod read_plan;
mod request;
mod rights;
mod scan;
mod session;
mod settings;
mod static_role;
mod token;
mod transport;
mod versions;
mod write;

pub use acts::{Act, Lacking, least_policy_of};
pub use cause::Cause;
pub use client::Vault;
pub use concern::Concern;
pub use database::Connection;
pub use document::{Document, Put};
pub use error::{Gone, LoginFault, VaultError};
pub use health::Health;
pub use held_token::HeldToken;
pub use kv::Data;
pub use metrics::Metrics;
pub use node::IDLE_CONNECTIONS_MAX;
pub use noise::NOISY_TARGETS;
pub use pki::{Csr, IssueRequest, Issued, Issuer, PkiRole, SignRequest, Signed};
pub use rights::{Missing, Right, Secret, least_policy};
pub use scan::ScanPage;
pub use settings::{Credentials, DEFAULT_BODY_MAX_BYTES, DEFAULT_TIMEOUT, Login, LoginMethod, Settings, ShownToken};
pub use static_role::{NEVER_ROTATED, StaticRole};
pub use write::{Json, RawData, Written};
