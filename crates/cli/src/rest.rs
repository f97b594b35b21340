//! The server's REST API, as this command uses it.

pub(crate) mod client;
pub(crate) mod failure;
mod list;
pub(crate) mod login_methods;
pub(crate) mod missing;
pub(crate) mod probe;
pub(crate) mod transport;
pub(crate) mod write;
