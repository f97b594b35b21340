//! KV version 2: a secret's metadata and a version's data.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::material::Material;
use lockstep_core::version::{Seen, VersionNumber};
use serde::Deserialize;
use serde_json::value::RawValue;
use vaultrs::api::kv2::requests::{ReadSecretMetadataRequest, ReadSecretRequest};

use crate::answer::Answer;
use crate::client::Vault;
use crate::error::{Gone, VaultError};
use crate::metadata::{Metadata, VersionFields};
use crate::request::{Operation, Request};

/// One version's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// The version's own `created_time`, or a role's last rotation, to be compared with the one that was observed.
    pub created: DateTime<Utc>,
    /// The values by key. A JSON string is its bytes; anything else its JSON text, as the server wrote it.
    pub keys: BTreeMap<String, Material>,
}

impl Vault {
    /// What the secret's metadata shows. Only Vault's own empty 404 is [`Seen::Nothing`]: a missing mount, a proxy's 404 and
    /// metadata that contradict themselves are errors, from which nothing may be concluded.
    pub async fn metadata(&self, mount: &KvMount, path: &KvPath) -> Result<Seen, VaultError> {
        let description = ReadSecretMetadataRequest { mount: mount.to_string(), path: path.to_string() };
        let request = Request::of(Operation::Metadata, &description)?;
        let answer = self.call(&request).await?;
        if answer.is_nothing() {
            return Ok(Seen::Nothing);
        }
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Envelope { data } = answer.parse::<Envelope<Metadata<'_>>>(&request)?;
        data.seen().ok_or_else(|| VaultError::Protocol { what: request.what(), why: "the current version has no fields" })
    }

    /// Reads one version's data (`?version=N`). [`VaultError::Gone`] when it was deleted or destroyed, [`VaultError::NotFound`]
    /// when there is no such version.
    pub async fn read(&self, mount: &KvMount, path: &KvPath, number: VersionNumber) -> Result<Data, VaultError> {
        let description = ReadSecretRequest { mount: mount.to_string(), path: path.to_string(), version: Some(number.get()) };
        let request = Request::of(Operation::Read, &description)?;
        let answer = self.call(&request).await?;
        let read = versioned(&answer, &request)?;
        if read.number != number.get() {
            return Err(VaultError::Protocol { what: request.what(), why: "it is another version than the one asked for" });
        }
        Ok(Data { created: read.created, keys: read.keys })
    }
}

/// A version's data with its number.
pub(crate) struct Versioned {
    pub(crate) number: u64,
    pub(crate) created: DateTime<Utc>,
    pub(crate) keys: BTreeMap<String, Material>,
}

#[derive(Deserialize)]
pub(crate) struct Envelope<T> {
    pub(crate) data: T,
}

#[derive(Deserialize)]
struct VersionedBody<'a> {
    #[serde(borrow)]
    data: Option<BTreeMap<String, &'a RawValue>>,
    metadata: VersionMetadata,
}

/// What an answer says of a version, beside its data or after it was written.
#[derive(Deserialize)]
pub(crate) struct VersionMetadata {
    pub(crate) version: u64,
    #[serde(flatten)]
    pub(crate) fields: VersionFields,
}

/// A version's data as they stand in the answer.
pub(crate) struct Found<'a> {
    pub(crate) metadata: VersionMetadata,
    pub(crate) keys: BTreeMap<String, &'a RawValue>,
}

/// Reads an answer of `<mount>/data/<path>`.
pub(crate) fn found<'a>(answer: &'a Answer, request: &Request) -> Result<Found<'a>, VaultError> {
    if !answer.is_success() {
        // A version that is gone answers 404 with its metadata.
        if answer.status == http::StatusCode::NOT_FOUND
            && let Ok(Envelope { data }) = answer.parse::<Envelope<VersionedBody<'_>>>(request)
        {
            return Err(VaultError::Gone(if data.metadata.fields.destroyed { Gone::Destroyed } else { Gone::Deleted }));
        }
        return Err(answer.failure(request));
    }
    let Envelope { data: VersionedBody { data, metadata } } = answer.parse::<Envelope<VersionedBody<'_>>>(request)?;
    Ok(Found { metadata, keys: data.ok_or_else(|| no_values(request))? })
}

/// As [`found`], each value as material.
pub(crate) fn versioned(answer: &Answer, request: &Request) -> Result<Versioned, VaultError> {
    let Found { metadata, keys } = found(answer, request)?;
    let keys = keys.into_iter().map(|(key, value)| Some((key, material(value)?))).collect::<Option<_>>();
    Ok(Versioned {
        number: metadata.version,
        created: metadata.fields.created_time,
        keys: keys.ok_or_else(|| no_values(request))?,
    })
}

fn no_values(request: &Request) -> VaultError {
    VaultError::Protocol { what: request.what(), why: "the data is not an object of values" }
}

/// A string is its bytes; anything else its JSON text.
pub(crate) fn material(value: &RawValue) -> Option<Material> {
    let text = value.get();
    if text.starts_with('"') {
        return serde_json::from_str::<String>(text).ok().map(|text| Material::new(text.into_bytes()));
    }
    Some(Material::new(text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_its_bytes_and_anything_else_its_json_text() {
        for (json, bytes) in [
            (r#""plain""#, "plain"),
            (r#""a\nb \u003c ü \ud83d\ude00""#, "a\nb < ü 😀"),
            (r#""""#, ""),
            ("1.50", "1.50"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("true", "true"),
            ("null", "null"),
            (r#"{"b":[1,2]}"#, r#"{"b":[1,2]}"#),
        ] {
            let raw: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(material(raw).unwrap().expose(), bytes.as_bytes(), "{json}");
        }
    }
}
