//! The client against a real OpenBao, one file per aspect.

#![expect(clippy::unwrap_used, reason = "a test ends where something unforeseen happens")]
#![expect(clippy::disallowed_methods, reason = "a test reads the clock as it likes")]

mod acts;
mod database;
mod documents;
mod errors;
mod fixture;
mod issue;
mod kv;
mod kv1;
mod login;
mod metrics;
mod nodes;
mod passwords;
mod pki;
mod rights;
mod scan;
mod secrecy;
mod static_roles;
mod tls;
mod writes;
