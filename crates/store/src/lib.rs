//! The registry in Postgres: the only crate with SQL.
//!
//! A module per table, plain functions on a connection. Rows are private; what goes in and out is the domain's. A change goes through
//! [`change::Writing`], which takes the next seq under the registry row's lock before anything else is read.

pub mod agent_certificate;
pub mod api_token;
pub mod binding;
pub mod blast_radius;
pub mod change;
pub mod cluster;
pub mod delivery;
pub mod desired;
mod error;
pub mod grant;
pub mod join_token;
pub mod lease;
pub mod log_filter;
pub mod login_check;
pub mod maintenance_window;
pub mod meta;
pub mod notify;
pub mod page;
pub mod pin;
pub mod placement;
pub mod pool;
pub mod project;
pub mod refusal;
pub mod registry;
pub mod role_assignment;
pub mod rotation;
pub mod rotation_run;
pub mod secret;
pub mod session;
pub mod source;
pub mod trust;

pub use error::StoreError;
pub use sqlx::{PgConnection, PgPool};

/// The result of every function here.
pub type Result<T> = std::result::Result<T, StoreError>;
