//! The versions that are kept of a secret (KV version 2).

use chrono::{DateTime, Utc};
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::rollback::Versions;

use crate::client::Vault;
use crate::error::VaultError;
use crate::kv::Envelope;
use crate::metadata::Metadata;
use crate::request::{Operation, Request};

impl Vault {
    /// The versions that are kept, as they are at `now`. [`VaultError::NotFound`] when there never was one.
    pub async fn versions(&self, mount: &KvMount, path: &KvPath, now: DateTime<Utc>) -> Result<Versions, VaultError> {
        let request = Request::get(Operation::Metadata, format!("{mount}/metadata/{path}"));
        let answer = self.call(&request).await?;
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Envelope { data } = answer.parse::<Envelope<Metadata<'_>>>(&request)?;
        let why = "a version has no number or no fields";
        data.versions_at(now).ok_or_else(|| VaultError::Protocol { what: request.what(), why })
    }
}
