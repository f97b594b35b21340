//! Writing the next version of a secret (KV version 2) with check-and-set, and reading the newest as it stands, for that.
//!
//! Measured with OpenBao 2.7: it takes every number for a 64-bit float when it is written, so that a long one is rounded before anybody reads it. What
//! is read here and written again stays as it was read, byte for byte.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::material::Material;
use lockstep_core::version::VersionNumber;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::client::Vault;
use crate::document::LOST;
use crate::error::VaultError;
use crate::kv::{self, Envelope, Found, VersionMetadata};
use crate::request::{Operation, Request};

/// A value as JSON text. Numbers keep their digits and objects their bytes, from the read to the write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(Material);

impl Json {
    /// A JSON string of this text; `None` when the bytes are not UTF-8, which JSON cannot hold.
    pub fn text(material: &Material) -> Option<Self> {
        let text = std::str::from_utf8(material.expose()).ok()?;
        // Room for the worst case, where JSON makes six bytes of one, so that the buffer never grows and leaves bytes behind.
        let mut json = Zeroizing::new(Vec::with_capacity(6 * text.len() + 2));
        serde_json::to_writer(&mut *json, text).ok()?;
        Some(Self(Material::new(std::mem::take(&mut *json))))
    }

    /// The JSON text.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// The value as bindings deliver it: a string is its bytes, anything else its JSON text.
    pub fn value(&self) -> Option<Material> {
        kv::material(serde_json::from_slice::<&RawValue>(self.expose()).ok()?)
    }

    fn of(value: &RawValue) -> Self {
        Self(Material::new(value.get().as_bytes().to_vec()))
    }
}

/// A version's data as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawData {
    /// Its number: what a write checks and sets.
    pub number: VersionNumber,
    /// The version's own `created_time`.
    pub created: DateTime<Utc>,
    /// All keys.
    pub keys: BTreeMap<String, Json>,
}

/// What a write made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The new version's number.
    pub number: VersionNumber,
    /// Its `created_time`, as its metadata will show it.
    pub created: DateTime<Utc>,
}

impl Vault {
    /// The newest version's data. [`VaultError::Gone`] when it was deleted or destroyed, [`VaultError::NotFound`] when there never was
    /// one, or its metadata were removed.
    pub async fn current(&self, mount: &KvMount, path: &KvPath) -> Result<RawData, VaultError> {
        self.raw(&Request::get(Operation::Current, format!("{mount}/data/{path}"))).await
    }

    /// A version's data, in the same way.
    pub async fn version(&self, mount: &KvMount, path: &KvPath, number: VersionNumber) -> Result<RawData, VaultError> {
        let request = Request::get(Operation::Read, format!("{mount}/data/{path}"));
        self.raw(&Request { query: Some(format!("version={number}")), ..request }).await
    }

    async fn raw(&self, request: &Request) -> Result<RawData, VaultError> {
        let answer = self.call(request).await?;
        let Found { metadata, keys } = kv::found(&answer, request)?;
        Ok(RawData {
            number: number(&metadata, request)?,
            created: metadata.fields.created_time,
            keys: keys.into_iter().map(|(key, value)| (key, Json::of(value))).collect(),
        })
    }

    /// Writes the next version, these keys and no others, if `cas` is the newest version's number (0: if there never was one). A version that was
    /// deleted or destroyed counts as any other. [`VaultError::Cas`] when somebody else was first.
    ///
    /// After any other error it may have been written all the same: read again. Nothing is sent twice.
    pub async fn write(
        &self,
        mount: &KvMount,
        path: &KvPath,
        keys: &BTreeMap<String, Json>,
        cas: u64,
    ) -> Result<Written, VaultError> {
        let request = Request::post(Operation::Write, format!("{mount}/data/{path}"), Some(body(keys, cas)));
        let answer = self.call(&request).await?;
        if answer.says(LOST) {
            return Err(VaultError::Cas { what: request.what() });
        }
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Envelope { data } = answer.parse::<Envelope<VersionMetadata>>(&request)?;
        Ok(Written { number: number(&data, &request)?, created: data.fields.created_time })
    }
}

fn number(metadata: &VersionMetadata, request: &Request) -> Result<VersionNumber, VaultError> {
    let why = "the version has no number";
    VersionNumber::new(metadata.version).ok_or_else(|| VaultError::Protocol { what: request.what(), why })
}

fn body(keys: &BTreeMap<String, Json>, cas: u64) -> Bytes {
    let names = keys.keys().map(|key| serde_json::Value::from(key.as_str()).to_string());
    let pairs: Vec<_> = names.zip(keys.values().map(Json::expose)).collect();
    let capacity = pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>() + 64;
    let mut body = Zeroizing::new(Vec::with_capacity(capacity));
    body.extend_from_slice(format!(r#"{{"options":{{"cas":{cas}}},"data":{{"#).as_bytes());
    for (nth, (name, value)) in pairs.iter().enumerate() {
        body.extend_from_slice(if nth == 0 { b"" } else { b"," });
        body.extend_from_slice(name.as_bytes());
        body.push(b':');
        body.extend_from_slice(value);
    }
    body.extend_from_slice(b"}}");
    Bytes::from_owner(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_each_value_as_it_stands_and_never_outgrows_its_buffer() {
        let text = |bytes: &[u8]| Json::text(&Material::new(bytes.to_vec()));
        let number = Json::of(serde_json::from_str("1.50").unwrap());
        let keys = BTreeMap::from([("n".to_owned(), number), ("\"k".to_owned(), text(b"a\"\n\x01").unwrap())]);
        let written = br#"{"options":{"cas":18446744073709551615},"data":{"\"k":"a\"\n\u0001","n":1.50}}"#;
        assert_eq!(&body(&keys, u64::MAX)[..], written);
        assert_eq!(&body(&BTreeMap::new(), 0)[..], br#"{"options":{"cas":0},"data":{}}"#);
        assert_eq!(text(b"\xff"), None);
        assert_eq!(keys["\"k"].value().unwrap().expose(), b"a\"\n\x01");
        assert_eq!(format!("{keys:?}"), r#"{"\"k": Json(Material(13 bytes)), "n": Json(Material(4 bytes))}"#);
    }
}
