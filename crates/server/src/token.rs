//! One-time and API tokens: made here, stored as SHA-256 only. 256 random bits need no slow hash.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Prefixes, so that a leaked token is recognised by scanners and by people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `lsat_`: a caller's API token.
    Api,
    /// `lsjt_`: a one-time join token.
    Join,
}

/// A fresh token of 256 random bits.
pub fn mint(kind: Kind) -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gave no random bytes"))?;
    let prefix = match kind {
        Kind::Api => "lsat_",
        Kind::Join => "lsjt_",
    };
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// What is stored of it.
pub fn hash(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}
