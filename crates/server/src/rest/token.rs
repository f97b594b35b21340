//! API tokens: minted, listed and revoked by whoever may give what they can do.

pub(crate) mod list;
pub(crate) mod mint;
pub(crate) mod revoke;
