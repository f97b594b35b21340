//! OIDC tokens, against a real issuer: OpenBao's identity tokens.
#![expect(clippy::unwrap_used, reason = "a test ends where something unforeseen happens")]

mod authority;
mod documents;
mod fixture;
mod forged;
mod keys;
mod sso;
mod tokens;
