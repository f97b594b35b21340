//! Small documents of Lockstep's own in the home Vault (the digests' root key, the history mark): KV version 2 with check-and-set.
//! They are not watched.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use lockstep_core::kv::{KvMount, KvPath};
use lockstep_core::material::Material;
use serde::{Deserialize, Serialize};
use vaultrs::api::kv2::requests::ReadSecretRequest;
use zeroize::Zeroizing;

use crate::client::Vault;
use crate::error::VaultError;
use crate::kv::{self, Envelope};
use crate::request::{Operation, Request};

/// Vault's sentence for a check-and-set that lost (HashiCorp Vault and OpenBao alike).
pub(crate) const LOST: &str = "check-and-set parameter did not match the current version";

/// A document as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its version, to be given to [`Vault::put_document`].
    pub version: u64,
    /// Its fields.
    pub fields: BTreeMap<String, Material>,
}

/// How a write with check-and-set ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// Written, as this version.
    Written(u64),
    /// Somebody else was first: read again.
    Lost,
}

#[derive(Serialize)]
struct PutBody<'a> {
    options: PutOptions,
    data: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct PutOptions {
    cas: u64,
}

#[derive(Deserialize)]
struct Written {
    version: u64,
}

impl Vault {
    /// The document, or `None` when there never was one. [`VaultError::Gone`] when its newest version was deleted or destroyed: that is
    /// no leave to make a new one.
    pub async fn document(&self, mount: &KvMount, path: &KvPath) -> Result<Option<Document>, VaultError> {
        let description = ReadSecretRequest { mount: mount.to_string(), path: path.to_string(), version: None };
        let request = Request::of(Operation::Document, &description)?;
        let answer = self.call(&request).await?;
        if answer.is_nothing() {
            return Ok(None);
        }
        let read = kv::versioned(&answer, &request)?;
        Ok(Some(Document { version: read.number, fields: read.keys }))
    }

    /// Writes a document if its version still is `cas` (0: if there is none). Fields must be UTF-8 text.
    ///
    /// After [`VaultError::Timeout`] or a broken connection it may have been written: read again.
    pub async fn put_document(
        &self,
        mount: &KvMount,
        path: &KvPath,
        fields: &BTreeMap<String, Material>,
        cas: u64,
    ) -> Result<Put, VaultError> {
        let mut request = Request {
            operation: Operation::PutDocument,
            method: Method::POST,
            path: format!("{mount}/data/{path}"),
            query: None,
            body: None,
        };
        let why = "a field is not UTF-8 text: encode it, in base64 for example";
        request.body = Some(body(fields, cas).ok_or_else(|| VaultError::Refused { what: request.what(), why })?);
        let answer = self.call(&request).await?;
        if answer.says(LOST) {
            return Ok(Put::Lost);
        }
        if !answer.is_success() {
            return Err(answer.failure(&request));
        }
        let Envelope { data } = answer.parse::<Envelope<Written>>(&request)?;
        Ok(Put::Written(data.version))
    }
}

fn body(fields: &BTreeMap<String, Material>, cas: u64) -> Option<Bytes> {
    let data = fields.iter().map(|(key, value)| Some((key.as_str(), std::str::from_utf8(value.expose()).ok()?)));
    let data = data.collect::<Option<BTreeMap<_, _>>>()?;
    // Room for the worst case, where JSON makes six bytes of one, so that the buffer never grows and leaves bytes behind.
    let capacity = fields.iter().map(|(key, value)| 6 * (key.len() + value.len()) + 8).sum::<usize>() + 64;
    let mut body = Zeroizing::new(Vec::with_capacity(capacity));
    serde_json::to_writer(&mut *body, &PutBody { options: PutOptions { cas }, data }).ok()?;
    Some(Bytes::from_owner(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_the_fields_and_the_expected_version() {
        let fields = |value: &[u8]| BTreeMap::from([("k".to_owned(), Material::new(value.to_vec()))]);
        assert_eq!(&body(&fields(b"a\"\n"), 3).unwrap()[..], br#"{"options":{"cas":3},"data":{"k":"a\"\n"}}"#);
        assert!(body(&fields(b"\xff"), 0).is_none());
    }
}
